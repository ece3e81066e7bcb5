import { parseAddress } from '../../agent/haproxy/address.ts';
import { createClient } from '../../agent/haproxy/client.ts';
import type { HaproxyTarget } from '../../agent/sessions/haproxy-target.ts';
import type { Clock } from '../../agent/system/clock.ts';
import { ask } from './haproxy.ts';
import { until } from './until.ts';

/** The Runtime API at this socket, as the session sources get it. */
export function targetAt(
  path: string,
  clock: Clock,
  servers: readonly string[] = ['app/app1'],
): HaproxyTarget {
  return { client: createClient(path, parseAddress(path, 'config'), { clock }), servers };
}

/** Resolves once HAProxy reports that it has run for so many seconds. */
export async function untilOld(socket: string, seconds: number): Promise<void> {
  await until(`an uptime of ${seconds} s`, async () => {
    const uptime = /^Uptime_sec: (\d+)$/m.exec(await ask(socket, 'show info'))?.[1];
    return Number(uptime) >= seconds;
  });
}
