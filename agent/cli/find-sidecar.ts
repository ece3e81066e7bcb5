import { controlSocketOf } from '../config/control-socket.ts';
import { type ControlClient, createClient } from '../control/client.ts';
import { printableSidecar } from './view/printable.ts';
import type { Context } from './ports.ts';

const DEFAULT_FILE = '/etc/lastcall/lastcall.yaml';

/** Which configuration file: `--config`, `LASTCALL_CONFIG`, the default. Only the default may be missing. */
export function configFile({ ports, globals }: Context): { readonly file: string; readonly named: boolean } {
  const file = globals.config ?? ports.env['LASTCALL_CONFIG'];
  return file === undefined || file === '' ? { file: DEFAULT_FILE, named: false } : { file, named: true };
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
