import type { Haproxy } from './haproxy.ts';
import { until } from './until.ts';

/**
 * Resolves once so many connections have been made to HAProxy since this was called, beside its own. Where a sidecar alone
 * makes any, they are its polls, each begun once the one before was judged. The first ones may have been meant before: what
 * reads a write back, and a poll that waited for it. So of five the fourth at the latest was begun after everything that
 * HAProxy showed when this was called, and was judged.
 */
export async function looks(haproxy: Haproxy, times: number): Promise<void> {
  let own = 0;
  const connections = async (): Promise<number> => {
    own += 1;
    return Number(/^CumConns: (\d+)/m.exec(await haproxy.command('show info'))?.[1]) - own;
  };
  const first = await connections();
  await until('the sidecar has looked', async () => (await connections()) >= first + times);
}
