import { EXIT_CODES } from '../system/error.ts';
import { readPlainLine } from './plain-line.ts';
import type { CliPorts, Globals } from './ports.ts';
import { reportFailure } from './view/error.ts';

/**
 * The command line: parses, runs one verb, reports its failure.
 * @returns the exit code (API.md#codes); it never throws
 */
export async function runCli(ports: CliPorts): Promise<number> {
  const { words, command } = split(ports.argv);
  // Known before the arguments are parsed: a script that asked for JSON gets it for its own mistakes too.
  let globals: Globals = { json: words.includes('--json') };
  let name: string | undefined;
  try {
    if (words.length === 0 && command === null) {
      const { writeHelp } = await import('./parse.ts');
      writeHelp(ports);
      return EXIT_CODES.usage;
    }
    const plain = command === null ? readPlainLine(words) : null;
    // Without commander `status` and `check` take two thirds of the time that they add to that of Node itself.
    const chosen = plain ?? (await (await import('./parse.ts')).parse(ports, words, command));
    if (chosen === null) return EXIT_CODES.done;
    ({ name, globals } = chosen);
    return await chosen.work({ ports, globals });
  } catch (error) {
    return reportFailure({ ports, globals }, error, name);
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
