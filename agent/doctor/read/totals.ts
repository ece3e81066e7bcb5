import type { HaproxyConfig } from '../../config/config.ts';
import { parseAddress } from '../../haproxy/address.ts';
import { createClient } from '../../haproxy/client.ts';
import { parseServerName } from '../../haproxy/names.ts';
import { readEach } from '../../haproxy/shared-lines.ts';
import { createServerReader, type SendCommand } from '../../haproxy/server-reader.ts';
import type { Clock } from '../../system/clock.ts';

/** For one server at one HAProxy. */
const EXCHANGE_MS = 2_000;

/** How many requests were ever given (`stot`), all HAProxys together; what two answers differ by came in between. */
export interface RequestTotals {
  /** To this node's servers. */
  readonly node: number;
  /** To their backends, whatever server took them. */
  readonly backends: number;
}

/**
 * @param signal ends the reading
 * @throws LastcallError as the exchange with HAProxy, and `no-such-server`
 */
export async function readTotals(
  haproxies: readonly HaproxyConfig[],
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<RequestTotals> {
  const all = await Promise.all(
    haproxies.map(async ({ address, tls, servers }): Promise<RequestTotals> => {
      const client = createClient(address, parseAddress(address, 'config'), { clock, tls });
      const ask: SendCommand = (command) => client.exchange(command, EXCHANGE_MS, signal);
      return totalsOf(ask, servers);
    }),
  );
  return sumOf(all);
}

async function totalsOf(ask: SendCommand, servers: readonly string[]): Promise<RequestTotals> {
  const reader = createServerReader();
  const readings = await readEach(ask, servers, (each, name) =>
    reader.readFull(each, parseServerName(name, 'config')),
  );
  // One that is not shown never grows, and so proves nothing.
  const totals = readings.map(({ row, backend }) => ({
    node: row.count('stot') ?? 0,
    backends: backend.count('stot') ?? 0,
  }));
  return sumOf(totals);
}

function sumOf(totals: readonly RequestTotals[]): RequestTotals {
  const sum = (numbers: readonly number[]): number => numbers.reduce((one, other) => one + other, 0);
  return { node: sum(totals.map(({ node }) => node)), backends: sum(totals.map(({ backends }) => backends)) };
}
