import { setTimeout as sleep } from 'node:timers/promises';
import { createEtcdLock } from '../../agent/fleet/etcd/etcd-lock.ts';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import type { PoolView } from '../../agent/lifecycle/model/pool.ts';
import { realClock } from '../../agent/system/clock.ts';
import { isLastcallError, LastcallError } from '../../agent/system/error.ts';
import { claimOf } from './claim.ts';
import type { Etcd } from './etcd.ts';
import { openFrozenLink, type FrozenLink } from './frozen-link.ts';
import { memoryLog } from './memory-log.ts';

/** Many nodes that want a slot again and again; some end in the middle, and the network of some stands still. */
export interface StressOptions {
  readonly nodes: number;
  readonly slots: number;
  /** So often a slot is taken, by all together. */
  readonly rounds: number;
  /** Between 0 and 1, from a seed. */
  readonly random: () => number;
}

/** What came of it. */
export interface StressReport {
  readonly taken: number;
  /** Nodes that ended without a word while they asked or held, and those whose network stood still for longer than the lease. */
  readonly killed: number;
  readonly frozen: number;
  /** Slots of others that were freed. */
  readonly freed: number;
  /** The most nodes at once that held a slot by what they were told, without those whose network stood still. */
  readonly mostInside: number;
  /** The most slots at once in any revision of etcd. */
  readonly mostHeld: number;
  readonly revisions: number;
}

const TTL_MS = 2000;
/** Longer than a lease, and than a request. */
const FREEZE_MS = 3_500;
const KILLED = new LastcallError('cancelled', 'killed');

type StressTally = {
  -readonly [Key in 'begun' | 'taken' | 'killed' | 'frozen' | 'freed' | 'mostInside']: number;
};

/** Of every forty rounds one ends in a kill, one has the network cut off as it begins, and one while it holds its slot. */
const FATES: Readonly<Record<number, Fate>> = { 13: 'killed', 26: 'cut-off-early', 39: 'cut-off-late' };
type Fate = 'killed' | 'cut-off-early' | 'cut-off-late';

export async function stressLock(etcd: Etcd, pool: string, options: StressOptions): Promise<StressReport> {
  const tally: StressTally = { begun: 0, taken: 0, killed: 0, frozen: 0, freed: 0, mostInside: 0 };
  const inside = new Set<string>();
  const names = Array.from({ length: options.nodes }, (_none, place) => `app${place}`);
  const from = await revisionOf(etcd);
  await Promise.all(names.map((name) => liveAs(name, { etcd, pool, tally, inside, ...options })));
  const to = await revisionOf(etcd);
  return { ...tally, mostHeld: await mostHeld(etcd, pool, from, to), revisions: to - from };
}

interface Arena extends StressOptions {
  readonly etcd: Etcd;
  readonly pool: string;
  readonly tally: StressTally;
  readonly inside: Set<string>;
}

async function liveAs(name: string, arena: Arena): Promise<void> {
  const link = await openFrozenLink(Number(new URL(arena.etcd.url).port));
  try {
    while (arena.tally.taken < arena.rounds) await oneLife(name, link, arena);
  } finally {
    await link.close();
  }
}

/** A process: it takes and gives until it is killed; another one follows. */
async function oneLife(name: string, link: FrozenLink, arena: Arena): Promise<void> {
  const lock = createEtcdLock({ endpoints: [`http://127.0.0.1:${link.port}`], ttlMs: TTL_MS }, arena.pool, {
    clock: realClock,
    log: memoryLog(),
  });
  const life = new AbortController();
  try {
    while (!life.signal.aborted && arena.tally.taken < arena.rounds) {
      const fate = FATES[arena.tally.begun % 40] ?? null;
      arena.tally.begun += 1;
      if (fate === 'killed') {
        arena.tally.killed += 1;
        setTimeout(() => life.abort(KILLED), arena.random() * 60);
      }
      await oneRound(name, lock, link, { ...arena, fate }, life.signal);
    }
  } catch (error) {
    if (error !== KILLED) throw error;
  } finally {
    await lock.close();
  }
}

async function oneRound(
  name: string,
  lock: FleetLock,
  link: FrozenLink,
  arena: Arena & { readonly fate: Fate | null },
  signal: AbortSignal,
): Promise<void> {
  const { tally, inside } = arena;
  const claim = claimOf(arena.pool, name, { slots: arena.slots });
  const thawed = arena.fate === 'cut-off-early' ? freeze(link, arena) : null;
  for (;;) {
    const asked = performance.now();
    if (holds(await calm(() => lock.take(claim, signal)), claim.id)) break;
    await freeTheDead(lock, tally, signal);
    // Twenty nodes that ask without a pause leave a slow machine no time to renew their leases: it would not end.
    const pauseMs = Math.max(5 + arena.random() * 20, performance.now() - asked);
    await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  tally.taken += 1;
  if (arena.fate === 'cut-off-late' || thawed !== null) await (thawed ?? freeze(link, arena));
  else {
    inside.add(name);
    tally.mostInside = Math.max(tally.mostInside, inside.size);
    await sleep(20 + arena.random() * 80);
    inside.delete(name);
  }
  await calm(() => lock.give(claim, signal));
}

const holds = (view: PoolView, id: string): boolean => view.holders.some(({ claim }) => claim.id === id);

async function freeze(link: FrozenLink, { tally, random }: Arena): Promise<void> {
  await sleep(random() * 30);
  tally.frozen += 1;
  link.freeze();
  await sleep(FREEZE_MS);
  link.thaw();
}

async function freeTheDead(lock: FleetLock, tally: StressTally, signal: AbortSignal): Promise<void> {
  const { holders } = await calm(() => lock.look(signal));
  for (const holder of holders.filter(({ alive }) => !alive))
    if (await calm(() => lock.free(holder, signal))) tally.freed += 1;
}

/** As the lifecycle does it: a lock that cannot be reached is asked again. */
async function calm<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isLastcallError(error) || error.code !== 'locked') throw error;
      await sleep(100);
    }
  }
}

async function revisionOf(etcd: Etcd): Promise<number> {
  const { header } = (await etcd.ask('kv/range', { key: 'AA==' })) as { header: { revision: string } };
  return Number(header.revision);
}

/** Etcd keeps every revision until it is compacted: the pool as it was at each. */
async function mostHeld(etcd: Etcd, pool: string, from: number, to: number): Promise<number> {
  const [key, end] = ['/', '0'].map((last) =>
    Buffer.from(`/lastcall/${pool}/claims${last}`).toString('base64'),
  );
  let most = 0;
  for (let revision = from; revision <= to; revision += 1) {
    const { kvs = [] } = await etcd.ask('kv/range', { key, range_end: end, revision: String(revision) });
    const held = (kvs as { lease?: string }[]).filter(({ lease }) => lease === undefined);
    most = Math.max(most, held.length);
  }
  return most;
}
