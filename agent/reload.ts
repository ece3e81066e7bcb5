import { isDeepStrictEqual } from 'node:util';
import type { Config } from './config/config.ts';
import { errorText } from './system/error-text.ts';
import { type Clock, withDeadline } from './system/clock.ts';
import { LastcallError } from './system/error.ts';
import type { Log } from './system/log-port.ts';

/** SIGHUP: the configuration is read again, and takes effect without the end of the process. */

/** A valid configuration, and its warnings. */
export interface Reread {
  readonly config: Config;
  readonly warnings: readonly string[];
}

export interface ReloadPorts {
  readonly clock: Clock;
  readonly log: Log;
  /** @throws LastcallError `config`, with file:line:column */
  readonly read: () => Promise<Reread>;
  /** The configuration that is in effect. */
  readonly current: () => Config;
  /**
   * Makes all that the new configuration needs, beside what runs.
   * @returns what puts it in the place of the old one
   * @throws LastcallError why it cannot take effect, and everything is as before; the signal's reason
   */
  readonly prepare: (config: Config, signal: AbortSignal) => Promise<() => Promise<void>>;
  /** Called when the old assembly has ended and the new one has not begun: no engine runs for the node. */
  readonly onLost: (error: unknown) => void;
}

export interface Reloader {
  /** Allows reloads, the one that was asked for before included: the first configuration is in effect. */
  begin(isAsked: boolean): void;
  /** Reloads; a call while a reload is under way brings one more after it. */
  reload(): void;
  /** Aborts a reload that is under way as far as that is possible, and resolves when none is. */
  close(): Promise<void>;
}

/** How long reading may take: on a disk that hangs the old configuration goes on. */
const READ_MS = 10_000;

export function createReloader(ports: ReloadPorts): Reloader {
  const closing = new AbortController();
  let running: Promise<void> | null = null;
  let isBegun = false;
  let again = false;

  const run = async (): Promise<void> => {
    do {
      again = false;
      await once(ports, closing.signal);
    } while (again && !closing.signal.aborted);
    running = null;
  };
  const reload = (): void => {
    if (closing.signal.aborted) return;
    again = true;
    if (isBegun) running ??= run();
  };
  return {
    begin(isAsked) {
      isBegun = true;
      if (again || isAsked) reload();
    },
    reload,
    async close() {
      closing.abort(new LastcallError('interrupted', 'lastcall is ending'));
      await running;
    },
  };
}

async function once(ports: ReloadPorts, signal: AbortSignal): Promise<void> {
  const { log, onLost } = ports;
  const change = await prepared(ports, signal);
  if (change === null) return;
  try {
    await change();
    log.info('the new configuration has taken effect');
  } catch (error) {
    onLost(error);
  }
}

/** @returns what makes the change; null where there is none to make */
async function prepared(
  { clock, log, read, current, prepare }: ReloadPorts,
  signal: AbortSignal,
): Promise<(() => Promise<void>) | null> {
  const late = (): LastcallError =>
    new LastcallError('config', 'the configuration file cannot be read in time');
  try {
    log.info('SIGHUP: the configuration is read again');
    const { config: written, warnings } = await withDeadline(clock, READ_MS, signal, late, read);
    for (const warning of warnings) log.warn(`the configuration: ${warning}`);
    const { config, kept } = merge(current(), written);
    if (kept.length > 0)
      log.warn(`${kept.join(', ')}: changed in the file, and kept as before until lastcall is restarted`);
    if (!isDeepStrictEqual(config, current())) return await prepare(config, signal);
    log.info('the configuration is the same as before');
  } catch (error) {
    if (!signal.aborted) log.error(`${errorText(error)}; the configuration of before goes on`);
  }
  return null;
}

/**
 * The part of the new file that can take effect while lastcall runs. Callers find the control socket by its path, and counters and the
 * audit log belong to the process. A pool that has a lock keeps its name and its lock; its numbers change.
 * @returns the configuration, and the keys that keep their old value though the file has another one
 * @throws LastcallError `config` for another node, or another state file: that is another sidecar
 */
export function merge(
  before: Config,
  written: Config,
): { readonly config: Config; readonly kept: readonly string[] } {
  for (const key of ['node', 'state'] as const)
    if (before[key] !== written[key])
      throw new LastcallError('config', `\`${key}\` cannot change while lastcall runs`, {
        target: `${key}: ${written[key]}`,
        next: 'restart lastcall, or put the old value back',
      });
  const { control, metrics, hooks } = before.listen;
  const { pool, lock } = keptLock(before, written);
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['listen.control', control, written.listen.control],
    ['listen.metrics', metrics, written.listen.metrics],
    ['listen.hooks', hooks, written.listen.hooks],
    ['pool.name', pool?.name, written.pool?.name],
    ['lock', lock, written.lock],
    ['audit', before.audit, written.audit],
    ['log', before.log, written.log],
  ];
  const kept = pairs.flatMap(([key, old, now]) => (isDeepStrictEqual(old, now) ? [] : [key]));
  const config = {
    ...written,
    listen: { ...written.listen, control, metrics, hooks },
    pool,
    lock,
    audit: before.audit,
    log: before.log,
  };
  return { config, kept };
}

/** A slot that is held, and the places of those who wait, are where they were taken. */
function keptLock({ pool, lock }: Config, written: Config): Pick<Config, 'pool' | 'lock'> {
  if (pool === null || lock === null) return { pool: written.pool, lock: written.lock };
  return { pool: written.pool === null ? pool : { ...written.pool, name: pool.name }, lock };
}
