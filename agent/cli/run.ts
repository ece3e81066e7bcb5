import { readConfig } from '../config/load.ts';
import { configError } from '../config/report.ts';
import { LastcallError } from '../system/error.ts';
import type { Context } from './ports.ts';
import { configFile } from './target.ts';

/**
 * `lastcall run [-- COMMAND ARG...]`: reads the configuration and becomes the sidecar.
 * @param command what stands after `--`, null without it
 * @returns the exit code, when the sidecar is over
 * @throws LastcallError `config` | `usage`, or whatever keeps the sidecar from starting
 */
export async function runSidecar(context: Context, command: readonly string[] | null): Promise<number> {
  const { ports, globals } = context;
  if (command?.length === 0 || command?.[0] === '') {
    throw new LastcallError('usage', 'no command stands after --', { next: 'see `lastcall run --help`' });
  }
  const { file } = configFile(context);
  const loaded = await readConfig(file, {
    env: ports.env,
    hostname: ports.hostname(),
    isTerminal: ports.stderr.isTTY === true,
    supervised: command !== null,
  });
  if (!loaded.ok) throw configError(file, loaded.problems);
  for (const warning of loaded.warnings) ports.stderr.write(`lastcall: warning: ${warning}\n`);
  const { config } = loaded;
  const control =
    globals.socket === undefined ? config.listen.control : { ...config.listen.control, path: globals.socket };
  return ports.run({ config: { ...config, listen: { ...config.listen, control } }, command });
}
