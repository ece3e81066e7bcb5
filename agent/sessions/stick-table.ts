import type { StickTableSourceConfig } from '../config/config.ts';
import type { Client } from '../haproxy/client.ts';
import { showPeers } from '../haproxy/command.ts';
import { countEntries, type Entries } from '../haproxy/entries.ts';
import { parseServerName, type ServerName } from '../haproxy/names.ts';
import { wasTaught } from '../haproxy/peers.ts';
import { createReader, type Ask, type Reader } from '../haproxy/reader.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { createCadence, type Cadence } from './cadence.ts';
import { createCustody, type Custody } from './custody.ts';
import { askAll, requireFronts, type Front } from './front.ts';
import { whole } from './number.ts';
import type { Source } from './source.ts';

/** Of a table whose `expire` nobody wrote down: no entry seen within half its life can live longer than this. */
const LIVES_SEEN = 2;

/**
 * Counts the entries that bind users to this server in a stick table of every HAProxy. An entry appears with the first
 * answer and not with the first request, so it takes the connections too to know that nobody is there; the lifecycle
 * has them.
 *
 * The largest count of all HAProxys is the answer: with `peers` each has every user, so a sum would count them twice,
 * and without them it is still zero only where each says zero, which is what the stop depends on.
 *
 * A reload or restart empties a table that has no peers. So a count is unknown until the worker is older than what the
 * table remembers, or was taught by one that was.
 * @throws LastcallError `config` for a server name that is none, or without a HAProxy
 */
export function createStickTableSource(
  config: StickTableSourceConfig,
  name: string,
  { clock, fronts }: { readonly clock: Clock; readonly fronts: readonly Front[] },
): Source {
  requireFronts(fronts, name);
  const server = parseServerName(config.server, 'config');
  const desks = fronts.map(({ client }): Desk => ({
    client,
    clock,
    reader: createReader(),
    custody: createCustody(),
    cadence: createCadence(),
    longestMs: 0,
    leftMs: null,
  }));
  return {
    name,
    minPauseMs: () => Math.max(...desks.map(({ cadence }) => cadence.pauseMs())),
    atMostMs: () =>
      desks.reduce<number | null>(
        (most, { leftMs }) => (most === null || leftMs === null ? null : Math.max(most, leftMs)),
        0,
      ),
    async count(signal) {
      const counts = await askAll(desks, signal, (desk) => countAt(desk, server, config, signal));
      return Math.max(...counts);
    },
  };
}

/** One HAProxy, and what is remembered of it. */
interface Desk {
  readonly client: Client;
  readonly clock: Clock;
  readonly reader: Reader;
  readonly custody: Custody;
  readonly cadence: Cadence;
  /** The longest time to live ever seen in this table, in milliseconds. */
  longestMs: number;
  /** The longest time to live of this server's entries at the last count. */
  leftMs: number | null;
}

async function countAt(
  desk: Desk,
  server: ServerName,
  config: StickTableSourceConfig,
  signal: AbortSignal,
): Promise<number> {
  const { client, clock } = desk;
  const until = clock.now() + config.timeoutMs;
  const ask: Ask = (command) => client.exchange(command, until - clock.now(), signal);
  const began = clock.now();
  const { row, info } = await desk.reader.read(ask, server);
  const ready = clock.now();
  const serverId = whole(row.count('sid'), row.text('sid') ?? '');
  if (typeof serverId !== 'number')
    throw failed(desk, began, serverId.problem, 'see that this is HAProxy 2.4 or newer');
  const entries = await scan(desk, { table: config.table, serverId }, ready - began, until, signal);
  if (entries.info.pid !== info.pid) {
    throw failed(desk, began, 'HAProxy was reloaded while it was asked', 'ask again');
  }
  const taught = async (): Promise<boolean> => wasTaught(await ask(showPeers()), config.table, entries.info);
  const since = await desk.custody.since(entries.info, serverId, clock.now(), taught);
  desk.leftMs = entries.longestMs;
  requireMemory(desk, config, entries, { began, since });
  return entries.count;
}

/** @param cheapMs what a question that costs HAProxy nothing took just before: as much of a scan is not its search */
async function scan(
  { client, clock, cadence }: Desk,
  search: { readonly table: string; readonly serverId: number },
  cheapMs: number,
  until: number,
  signal: AbortSignal,
): Promise<Entries> {
  const began = clock.now();
  try {
    const entries = await countEntries(
      client,
      (command, onLine) => client.stream(command, onLine, until - clock.now(), signal),
      search,
    );
    cadence.done(clock.now() - began - cheapMs);
    return entries;
  } catch (error) {
    cadence.failed(clock.now() - began);
    throw error;
  }
}

/** Refuses a count by somebody who may have forgotten whom he knew. */
function requireMemory(
  desk: Desk,
  config: StickTableSourceConfig,
  { count, longestMs }: Entries,
  { began, since }: { readonly began: number; readonly since: number },
): void {
  desk.longestMs = Math.max(desk.longestMs, longestMs);
  const written =
    config.expireMs === null ? desk.longestMs * LIVES_SEEN : Math.max(config.expireMs, desk.longestMs);
  if (written === 0) {
    const why = `nobody is in the stick table ${config.table}, and how long it remembers is not known`;
    throw failed(desk, began, why, 'write `expire` as it stands at this `stick-table` in HAProxy');
  }
  const known = desk.clock.now() - since;
  if (known >= written) return;
  const why =
    `the stick table ${config.table} knows the users of the last ${seconds(known)} s and remembers them for ` +
    `${seconds(written)} s: whoever came before a reload or restart is not in it (${count} are)`;
  throw failed(desk, began, why, 'wait, or give the table `peers` so that it outlives a reload');
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}

function failed({ client, clock }: Desk, began: number, why: string, next: string): LastcallError {
  return new LastcallError('failed', `${client.target}: ${why}`, {
    target: client.target,
    elapsedMs: clock.now() - began,
    next,
  });
}
