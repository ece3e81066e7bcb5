import { controlSocketOf } from '../config/control-socket.ts';
import type { Loaded } from '../config/load.ts';
import { type ControlClient, createClient } from '../control/client.ts';
import { LastcallError } from '../system/error.ts';
import { printableSidecar } from './view/printable.ts';
import type { Context } from './ports.ts';

const DEFAULT_FILE = '/etc/lastcall/lastcall.yaml';

/**
 * Which configuration file: `--config`, `LASTCALL_CONFIG`, the default. Only the default may be missing.
 * @throws LastcallError `usage` for `--config ''`: a script whose variable is empty means none of the others
 */
export function configFile({ ports, globals }: Context): { readonly file: string; readonly named: boolean } {
  if (globals.config === '')
    throw new LastcallError('usage', '--config names no file', { next: 'name the configuration file' });
  const file = globals.config ?? ports.env['LASTCALL_CONFIG'];
  return file === undefined || file === '' ? { file: DEFAULT_FILE, named: false } : { file, named: true };
}

/**
 * Reads and checks the configuration file of this command.
 * @param supervised true under `run -- COMMAND`
 * @throws LastcallError `config` when the file cannot be read
 */
export async function readConfigFile(
  context: Context,
  supervised: boolean,
): Promise<{ readonly file: string; readonly loaded: Loaded }> {
  const { ports } = context;
  const { file } = configFile(context);
  // The parser is loaded only by commands that read the whole file.
  const { readConfig } = await import('../config/load.ts');
  const isTerminal = ports.stderr.isTTY === true;
  const loaded = await readConfig(file, {
    env: ports.env,
    hostname: ports.hostname(),
    isTerminal,
    supervised,
  });
  return { file, loaded };
}

/**
 * The sidecar that this command is meant for.
 * @throws LastcallError `config` | `usage` when its socket is unknown
 */
export async function findSidecar(context: Context): Promise<ControlClient> {
  const { ports, globals } = context;
  const path = await controlSocketOf({
    ...configFile(context),
    socket: globals.socket ?? null,
    env: ports.env,
    hostname: ports.hostname(),
  });
  return printableSidecar(createClient(path, ports.clock), globals);
}
