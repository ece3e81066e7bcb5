import type { CommanderError } from 'commander';
import { EXIT_CODES, LastcallError, messageOf } from '../system/error.ts';
import { reportFailure } from './view/error.ts';
import type { CliPorts, Globals } from './ports.ts';
import { type ParsedCommand, createProgram } from './commands.ts';

/**
 * The command line: parses, runs one verb, reports its failure.
 * @returns the exit code (API.md#codes); it never throws
 */
export async function runCli(ports: CliPorts): Promise<number> {
  const { words, command } = split(ports.argv);
  // Known before the arguments are parsed: a script that asked for JSON gets it for its own mistakes too.
  let globals: Globals = { json: words.includes('--json') };
  if (words.length === 0 && command === null) {
    createProgram(ports, null, () => undefined).outputHelp();
    return EXIT_CODES.usage;
  }
  let name: string | undefined;
  try {
    const chosen = await parse(ports, words, command);
    ({ name, globals } = chosen);
    return await chosen.work({ ports, globals });
  } catch (error) {
    if (isCommanderError(error) && error.exitCode === 0) return 0;
    return reportFailure({ ports, globals }, isCommanderError(error) ? misuse(error) : error, name);
  }
}

/** All arguments after `--` belong to the application, whatever they are. */
function split(argv: readonly string[]): {
  words: readonly string[];
  command: readonly string[] | null;
} {
  const at = argv.indexOf('--');
  return at < 0 ? { words: argv, command: null } : { words: argv.slice(0, at), command: argv.slice(at + 1) };
}

/** @throws CommanderError, LastcallError `usage` */
async function parse(
  ports: CliPorts,
  words: readonly string[],
  command: readonly string[] | null,
): Promise<ParsedCommand & { readonly globals: Globals }> {
  const found: ParsedCommand[] = [];
  const program = createProgram(ports, command, (chosen) => found.push(chosen), words);
  await program.parseAsync(words, { from: 'user' });
  const [chosen] = found;
  if (chosen === undefined) throw noCommand();
  if (command !== null && chosen.name !== 'run') {
    throw new LastcallError('usage', `\`${chosen.name}\` takes no command after --`, {
      next: 'see `lastcall run --help`',
    });
  }
  return { ...chosen, globals: program.opts<Globals>() };
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
