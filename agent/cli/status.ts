import { readDirectStatus } from './direct-options.ts';
import type { VerbOptions } from './options.ts';
import type { Context } from './ports.ts';
import { findSidecar } from './find-sidecar.ts';
import { LastcallError } from '../system/error.ts';
import { showPool } from './pool.ts';
import { showSnapshot } from './snapshot.ts';
import { watchStatus, type StatusClient } from './watch.ts';

/** The options of `status`, as commander hands them over. */
export interface StatusOptions extends Pick<
  VerbOptions,
  'haproxy' | 'master' | 'server' | 'tlsCa' | 'tlsCert' | 'tlsKey'
> {
  readonly watch?: boolean;
  /** The whole pool in place of this node. */
  readonly pool?: boolean;
}

/**
 * `lastcall status`: once, or at every change until interrupted; of a sidecar, or with `--haproxy` of what its
 * HAProxy shows.
 * @returns the exit code
 * @throws LastcallError `agent-unreachable`, or where the sidecar cannot be found; with `--haproxy` as direct mode;
 *   `usage` for `--pool` with it
 */
export async function showStatus(context: Context, options: StatusOptions): Promise<number> {
  const { watch = false, pool = false, ...flags } = options;
  const direct = readDirectStatus(flags, context.globals);
  if (pool && direct !== null)
    throw new LastcallError('usage', '--pool and --haproxy do not go together', {
      next: 'ask the sidecar of any node of the pool',
    });
  if (pool) return showPool(context, await findSidecar(context), watch);
  if (direct === null) return show(context, await findSidecar(context), watch);
  // A sidecar's status starts as fast as node itself, and needs nothing of this.
  const { openDirectStatus } = await import('./rare-commands.ts');
  const opened = await openDirectStatus(direct, context);
  try {
    return await show(context, opened.client, watch);
  } finally {
    await opened.close();
  }
}

async function show(context: Context, client: StatusClient, watch: boolean): Promise<number> {
  return watch ? watchStatus(context, client) : showSnapshot(context, client);
}
