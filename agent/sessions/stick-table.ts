import type { StickTableSourceConfig } from '../config/source-config.ts';
import type { Client } from '../haproxy/client.ts';
import { probeTable, showPeers } from '../haproxy/command.ts';
import { createReadingPace, type ReadingPace } from '../haproxy/reading-pace.ts';
import {
  countEntries,
  storesNoServers,
  type Entries,
  type StreamReply,
} from '../haproxy/replies/table-entries.ts';
import { wasResynced } from '../haproxy/replies/show-peers.ts';
import type { SendCommand } from '../haproxy/server-reader.ts';
import { storesServers } from '../haproxy/replies/show-table.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { createScanBudget, type ScanBudget } from './scan-budget.ts';
import { createTableCompleteness, type TableCompleteness } from './table-completeness.ts';
import { queryAll, requireTargets, type HaproxyTarget } from './haproxy-target.ts';
import {
  createOwnServers,
  settleDoubts,
  type FoundServer,
  type OwnServers,
  type Settled,
} from './own-servers.ts';
import type { Source } from './source.ts';
import { scanPauseMs, type LastScan } from './scan-pause.ts';
import { createTableMemory, type TableMemory } from './table-memory.ts';

/**
 * Counts the entries that bind users to this node's servers in a stick table of every HAProxy, at each by the names
 * that the node has there. An entry appears with the first answer and not with the first request, so the
 * connections are needed too to prove that no user is there; the lifecycle has them.
 *
 * The table is read whole: HAProxy finds the server of an entry by its name (`server_key`), its filters take
 * numbers only, and no socket shows which backends share a table (`stick on ... table`), so a number proves
 * nothing. It is read in bursts, and as fast as HAProxy writes only where no user is connected to it.
 *
 * The largest count of all HAProxys is the answer: with `peers` each has every user, so a sum would count them
 * twice, and without them it is still zero only where each counts zero, which is what the stop depends on.
 *
 * A reload or restart empties a table that has no peers. So a count is unknown until the worker is older than the
 * entries of the table can be, or has got them from a peer that was.
 * @throws LastcallError `config` for an invalid server name, or without a HAProxy
 */
export function createStickTableSource(
  config: StickTableSourceConfig,
  name: string,
  { clock, targets }: { readonly clock: Clock; readonly targets: readonly HaproxyTarget[] },
): Source {
  requireTargets(targets, name);
  const tableTargets = targets.map(({ client, servers }): TableTarget => ({
    client,
    clock,
    servers: createOwnServers(servers, config.server),
    completeness: createTableCompleteness(),
    memory: createTableMemory(config),
    budget: createScanBudget(),
    hasKeyless: false,
    lastScan: null,
    changedAt: clock.now(),
  }));
  return {
    name,
    minPauseMs: (leftMs) =>
      Math.max(...tableTargets.map(({ budget, lastScan }) => scanPauseMs(budget, lastScan, leftMs))),
    atMostMs: () =>
      tableTargets.reduce<number | null>(
        (most, { lastScan }) =>
          most === null || lastScan === null ? null : Math.max(most, lastScan.longestMs),
        0,
      ),
    async count(signal) {
      const until = clock.now() + config.timeoutMs;
      const calls = tableTargets.map((target) => ({ target, ...begin(target, until, signal) }));
      const found = await queryAll(calls, signal, async (call) => {
        const servers = await call.target.servers.find(call.ask);
        return {
          ...call,
          ...servers,
          cheapMs: (clock.now() - call.began) / Math.max(1, servers.infos.length),
        };
      });
      requireServer(found);
      return Math.max(...(await queryAll(found, signal, (call) => countAt(call, config.table))));
    },
  };
}

/** One HAProxy, and what is remembered of it. */
interface TableTarget {
  readonly client: Client;
  readonly clock: Clock;
  readonly servers: OwnServers;
  readonly completeness: TableCompleteness;
  readonly memory: TableMemory;
  readonly budget: ScanBudget;
  /** Entries without a key were seen: they are found by number alone. */
  hasKeyless: boolean;
  /** This node's entries at the last scan; null before it. */
  lastScan: LastScan | null;
  /** When their number was last another one, in monotonic milliseconds. */
  changedAt: number;
}

/** One count at one HAProxy. */
interface TableQuery {
  readonly target: TableTarget;
  readonly began: number;
  readonly ask: SendCommand;
  readonly streamReply: (pace: ReadingPace | undefined) => StreamReply;
  /** Until the deadline, in milliseconds. */
  readonly leftMs: () => number;
}

interface FoundQuery extends TableQuery, FoundServer {
  /** How long a question that costs HAProxy nothing took just before: so much of a scan's time is not HAProxy's work. */
  readonly cheapMs: number;
}

function begin(
  { client, clock }: TableTarget,
  until: number,
  signal: AbortSignal,
): Omit<TableQuery, 'target'> {
  const leftMs = (): number => until - clock.now();
  return {
    began: clock.now(),
    ask: (command) => client.exchange(command, leftMs(), signal),
    streamReply: (pace) => (command, onChunk) => client.streamReply(command, onChunk, leftMs(), signal, pace),
    leftMs,
  };
}

/** A server that the source names must exist at one HAProxy; at others the node may have other names. */
function requireServer(found: readonly FoundQuery[]): void {
  const [first] = found;
  if (!first?.missing || found.some(({ missing }) => missing === null)) return;
  const { message, target = '', elapsedMs = 0, next = '' } = first.missing;
  throw new LastcallError('failed', message, { target, elapsedMs, next, cause: first.missing });
}

async function countAt(call: FoundQuery, table: string): Promise<number> {
  const { target, ask, ours, infos } = call;
  const began = target.clock.now();
  const entries = await scan(call, table);
  const tookMs = target.clock.now() - began;
  await requireBinding(ask, table, entries);
  const settled = await settle(call, entries);
  const { info } = entries;
  if ([...infos, settled.info].some(({ pid }) => pid !== info.pid)) {
    throw failed(call, 'HAProxy was reloaded while it was asked', 'ask again');
  }
  target.hasKeyless ||= entries.keyless > 0;
  const place = target.hasKeyless ? [...ours.numbers].join() : '';
  const isResynced = async (): Promise<boolean> => wasResynced(await ask(showPeers()), table, info);
  const since = await target.completeness.completeSince(info, place, target.clock.now(), isResynced);
  const count = entries.count + settled.count;
  see(target, { count, longestMs: Math.max(entries.longestMs, settled.longestMs), tookMs });
  const doubt = target.memory.doubt({ ...entries, count }, target.clock.now() - since);
  if (doubt !== null) throw failed(call, doubt.why, doubt.next);
  return count;
}

function see(target: TableTarget, seen: Omit<LastScan, 'stillMs'>): void {
  const now = target.clock.now();
  if (target.lastScan?.count !== seen.count) target.changedAt = now;
  target.lastScan = { ...seen, stillMs: now - target.changedAt };
}

async function scan(call: FoundQuery, table: string): Promise<Entries> {
  const { target, ours, infos, cheapMs } = call;
  const { client, clock, budget } = target;
  const isUnused = infos.length > 0 && infos.every(({ connections }) => connections === 0);
  const pace = isUnused ? undefined : createReadingPace(clock, call.leftMs());
  const connection = { target: client.target, streamReply: call.streamReply(pace) };
  const began = clock.now();
  try {
    const entries = await countEntries(connection, table, ours);
    budget.spent(clock.now() - began - cheapMs - (pace?.pausedMs() ?? 0));
    return entries;
  } catch (error) {
    budget.failed(clock.now() - began);
    throw error;
  }
}

/** An empty table does not show whether it stores servers; to ask costs nothing there. */
async function requireBinding(ask: SendCommand, table: string, { total }: Entries): Promise<void> {
  if (total > 0) return;
  const reply = await ask(probeTable(table));
  if (storesServers(reply) === false) throw storesNoServers(table, reply);
}

/** Entries that HAProxy would lead to us by number, if no server has their key. */
async function settle(call: FoundQuery, { info, doubts }: Entries): Promise<Settled> {
  if (doubts.size === 0) return { info, count: 0, longestMs: 0 };
  const settled = await settleDoubts(call.ask, doubts);
  if (!call.ours.hidden || settled.count === 0) return settled;
  const entries = settled.count === 1 ? '1 entry names' : `${settled.count} entries name`;
  const why = `${entries} no server that HAProxy has, and it shows no address of ours`;
  throw failed(call, why, 'count by another source, or let the table remember names (no `srvkey addr`)');
}

function failed({ target, began }: TableQuery, why: string, next: string): LastcallError {
  const { client, clock } = target;
  return new LastcallError('failed', `${client.target}: ${why}`, {
    target: client.target,
    elapsedMs: clock.now() - began,
    next,
  });
}
