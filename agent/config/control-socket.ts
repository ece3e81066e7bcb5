import { LastcallError, errnoOf } from '../system/error.ts';
import { controlPathOf } from './defaults.ts';
import type { Keys } from './keys.ts';
import { problemLine } from './problem.ts';
import { scan } from './quick-scan.ts';
import type { Environment } from './substitute.ts';
import { readText } from './read-file.ts';
import { tooLongForSocket, nodeNameProblem, socketPathProblem } from './validators.ts';

/** How a command names the sidecar that it wants to reach. */
export interface SocketLookup {
  /** `--socket`, or null. */
  readonly socket: string | null;
  /** The configuration file. */
  readonly file: string;
  /** Did the user name this file, or is it the default? Only the default may be missing. */
  readonly named: boolean;
  readonly env: Environment;
  readonly hostname: string;
}

const NEXT = 'name the control socket with --socket';

/**
 * Finds the sidecar's control socket for a command, without checking the rest of the configuration: the sidecar may
 * be running on it while the file is being edited. The YAML parser is loaded only where the quick scan of the lines
 * fails.
 * @throws LastcallError `config`: the file is missing although named, unreadable, or without the socket; `usage`:
 *   `--socket` is no path that a unix socket can have
 */
export async function controlSocketOf(whereabouts: SocketLookup): Promise<string> {
  const { socket, file, hostname } = whereabouts;
  if (socket !== null) return usable(socket);
  const { node, control } = await keysOf(whereabouts);
  if (control === null) {
    const problem = nodeNameProblem(node ?? hostname);
    if (problem !== undefined)
      throw new LastcallError('config', `${file}: node: ${problem}`, { target: file, next: NEXT });
  }
  const path = control ?? controlPathOf(node ?? hostname);
  const problem = socketPathProblem(path);
  if (problem === undefined) return path;
  throw new LastcallError('config', `${file}: listen.control: ${problem}`, { target: file, next: NEXT });
}

/** On the command line a relative path is valid too. */
function usable(socket: string): string {
  const problem = socket === '' ? 'names no socket' : tooLongForSocket(socket);
  if (problem === undefined) return socket;
  throw new LastcallError('usage', `--socket ${problem}`, {
    target: socket,
    next: 'name the socket of the sidecar',
  });
}

async function keysOf({ file, named, env }: SocketLookup): Promise<Keys> {
  const text = await readText(file).catch((error: unknown) => {
    const missing = errnoOf((error as LastcallError).cause) === 'ENOENT';
    if (missing && !named) return '';
    throw error;
  });
  const scanned = scan(text);
  if (scanned.sure) return scanned;
  const { readKeys } = await import('./load.ts');
  const read = readKeys(text, file, env);
  if (read.ok) return read.keys;
  const message = read.problems.map(problemLine).join('; ');
  throw new LastcallError('config', message, { target: file, next: NEXT });
}
