import type { Balancer } from '../balancers/balancer.ts';
import { isoOf } from '../lifecycle/model/iso.ts';
import type {
  PoolBalancer,
  PoolHolder,
  PoolLock,
  PoolReport,
  PoolWaiter,
} from '../lifecycle/model/pool-report.ts';
import type { Claim, SlotHolder, Waiter } from '../lifecycle/model/pool.ts';
import type { Clock } from '../system/clock.ts';
import { errorText } from '../system/error-text.ts';
import type { Ports } from './ports.ts';

/** An answer is good for this long, in milliseconds: two nodes show the same within two seconds, however many watch. */
const GOOD_FOR_MS = 1_000;
/** HAProxy lists the whole backend: at most one part in 20 of its time is spent on that, more only to keep `GOOD_FOR_MS`. */
const SHARE = 20;
const LONGEST_GOOD_MS = 2_000;

/**
 * Asks the lock and all balancers for the whole pool: on demand, each once at a time, and not again at once; a slow one
 * makes none of the others older. What cannot be asked has its error in its place.
 * @param pool name of the node's pool
 * @param whyNot why a balancer is known not to answer at present, or null: no caller waits for it
 */
export function createPoolReport(
  { balancers, lock, clock }: Pick<Ports, 'balancers' | 'lock' | 'clock'>,
  pool: string,
  whyNot: (balancer: string) => string | null,
  signal: AbortSignal,
): () => Promise<PoolReport> {
  const held = lock && keep(clock, GOOD_FOR_MS, () => lockOf(lock, pool, signal));
  const shown = balancers.map((balancer) =>
    keep(clock, LONGEST_GOOD_MS, () => serversAt(balancer, whyNot(balancer.name), signal)),
  );
  return async () => {
    const [ofLock, ...ofBalancers] = await Promise.all([held && held(), ...shown.map((ask) => ask())]);
    const ends = [ofLock, ...ofBalancers].map((part) => part?.at ?? Infinity);
    const oldest = Math.min(clock.wall().getTime(), ...ends);
    return {
      at: new Date(oldest).toISOString(),
      lock: ofLock && ofLock.value,
      balancers: ofBalancers.map(({ value }) => value),
    };
  };
}

/** One part of the report, and when it was known, in wall clock milliseconds. */
interface KeptPart<T> {
  readonly at: number;
  readonly value: T;
}

/** Asks for a part where the last answer is no longer good, which it is for `longestMs` at most; callers in between get that one. */
function keep<T>(clock: Clock, longestMs: number, ask: () => Promise<T>): () => Promise<KeptPart<T>> {
  let answer: Promise<KeptPart<T>> | null = null;
  let goodUntil = 0;
  const askNow = async (): Promise<KeptPart<T>> => {
    const began = clock.now();
    const value = await ask();
    const ended = clock.now();
    goodUntil = ended + Math.min(longestMs, Math.max(GOOD_FOR_MS, SHARE * (ended - began)));
    return { at: clock.wall().getTime(), value };
  };
  return () => {
    if (answer === null || clock.now() >= goodUntil) {
      goodUntil = Infinity;
      answer = askNow();
    }
    return answer;
  };
}

async function lockOf(
  lock: NonNullable<Ports['lock']>,
  pool: string,
  signal: AbortSignal,
): Promise<PoolLock> {
  try {
    const { slots, brake, holders, waiters } = await lock.look(signal);
    const shown = { holders: holders.map(memberOf), waiters: waiters.map(waiterOf) };
    return { pool, name: lock.name, error: null, slots, brake, ...shown };
  } catch (error) {
    const unknown = { slots: null, brake: null, holders: [], waiters: [] };
    return { pool, name: lock.name, error: errorText(error), ...unknown };
  }
}

function memberOf({ claim, state, failure, since, alive }: SlotHolder): PoolHolder {
  return { ...claimOf(claim), state, since: isoOf(since), failure, alive };
}

function waiterOf({ claim, since }: Waiter): PoolWaiter {
  return { ...claimOf(claim), since: isoOf(since) };
}

function claimOf({
  node,
  operation,
  by,
  reason,
}: Claim): Pick<Claim, 'node' | 'operation' | 'by' | 'reason'> {
  return { node, operation, by, reason };
}

async function serversAt(
  balancer: Balancer,
  error: string | null,
  signal: AbortSignal,
): Promise<PoolBalancer> {
  const { name } = balancer;
  if (balancer.backendServers === undefined)
    return { name, error: 'it only polls, and shows no servers', servers: [] };
  if (error !== null) return { name, error, servers: [] };
  try {
    return { name, error: null, servers: await balancer.backendServers(signal) };
  } catch (cause) {
    return { name, error: errorText(cause), servers: [] };
  }
}
