import type { Config } from '../config/config.ts';
import { configError } from '../config/report.ts';
import { LastcallError } from '../system/error.ts';
import { printableLine } from './view/printable.ts';
import type { Context, Reload } from './ports.ts';
import { readConfigFile } from './find-sidecar.ts';

/**
 * `lastcall run [-- COMMAND ARG...]`: reads the configuration and becomes the sidecar.
 * @param command the arguments after `--`, null without it
 * @returns the exit code, when the sidecar is over
 * @throws LastcallError `config` | `usage`, or whatever keeps the sidecar from starting
 */
export async function runSidecar(context: Context, command: readonly string[] | null): Promise<number> {
  const { ports } = context;
  if (command?.length === 0 || command?.[0] === '') {
    throw new LastcallError('usage', 'there is no command after --', { next: 'see `lastcall run --help`' });
  }
  // From here on a SIGHUP asks for a reload, and must not end this process while the file is read.
  let isAsked = false;
  ports.signals.on('SIGHUP', () => (isAsked = true));
  const read = (): ReturnType<Reload['read']> => readSidecarConfig(context, command);
  const { config, warnings } = await read();
  await loadReader();
  for (const warning of warnings) ports.stderr.write(`lastcall: warning: ${printableLine(warning)}\n`);
  const reload: Reload = {
    read,
    get isAsked() {
      return isAsked;
    },
  };
  return ports.run({ config, command, reload });
}

/**
 * Loads all that `readSidecarConfig` may need for any file: a process that reads one hours after its start may have lost
 * the files of its program to an upgrade of the package by then.
 */
export async function loadReader(): Promise<void> {
  const { loadRest } = await import('../config/load.ts');
  await loadRest();
}

/**
 * The configuration by which the sidecar of this command runs.
 * @throws LastcallError `config`
 */
export async function readSidecarConfig(
  context: Context,
  command: readonly string[] | null,
): Promise<{ readonly config: Config; readonly warnings: readonly string[] }> {
  const { globals } = context;
  const { file, loaded } = await readConfigFile(context, command !== null);
  if (!loaded.ok) throw configError(file, loaded.problems);
  const { config, warnings } = loaded;
  const control =
    globals.socket === undefined ? config.listen.control : { ...config.listen.control, path: globals.socket };
  return { config: { ...config, listen: { ...config.listen, control } }, warnings };
}
