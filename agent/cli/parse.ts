import type { CommanderError } from 'commander';
import { LastcallError, messageOf } from '../system/error.ts';
import { type ParsedCommand, createProgram } from './commands.ts';
import type { CliPorts, Globals } from './ports.ts';

/** What the arguments ask for. */
export interface ParsedLine extends ParsedCommand {
  readonly globals: Globals;
}

/**
 * Parses any command line.
 * @param command the arguments after `--`, null without it
 * @returns null where the parser itself has answered: with the help, or the version
 * @throws LastcallError `usage`
 */
export async function parse(
  ports: CliPorts,
  words: readonly string[],
  command: readonly string[] | null,
): Promise<ParsedLine | null> {
  const found: ParsedCommand[] = [];
  const program = createProgram(ports, command, (chosen) => found.push(chosen), words);
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!isCommanderError(error)) throw error;
    if (error.exitCode === 0) return null;
    throw misuse(error);
  }
  const [chosen] = found;
  if (chosen === undefined) throw noCommand();
  if (command !== null && chosen.name !== 'run') {
    throw new LastcallError('usage', `\`${chosen.name}\` takes no command after --`, {
      next: 'see `lastcall run --help`',
    });
  }
  return { ...chosen, globals: program.opts<Globals>() };
}

/** Writes the help of the whole program. */
export function writeHelp(ports: CliPorts): void {
  createProgram(ports, null, () => undefined).outputHelp();
}

/** By its code: its name is that of its class, which has another one in the bundle. */
function isCommanderError(error: unknown): error is CommanderError {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code.startsWith('commander.')
  );
}

/** Commander's own message on one line: `unknown option '--forse' (Did you mean --force?)`. */
function misuse(error: CommanderError): LastcallError {
  if (error.code === 'commander.help') return noCommand();
  const text = messageOf(error)
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
  return new LastcallError('usage', text, { next: 'see `lastcall --help`' });
}

function noCommand(): LastcallError {
  return new LastcallError('usage', 'no command given', { next: 'see `lastcall --help`' });
}
