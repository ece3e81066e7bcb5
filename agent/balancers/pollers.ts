import type { Clock } from '../system/clock.ts';

/** More than one balancer has in practice. The work for one poll never grows beyond it. */
export const MAX_POLLERS = 64;
/** A poller that has not polled for so long is dropped; when it polls again, it is a new one. */
export const FORGET_MS = 5 * 60_000;
/** A steady poller has polled within so many of its own intervals (INVARIANTS.md#other-promises). */
const PATIENCE = 3;
/** A shorter interval counts as this long: a busy machine delays a poll by as much. */
const MIN_INTERVAL_MS = 1_000;
/**
 * The interval follows a longer pause at once and a shorter one slowly, by this factor a poll: HAProxy's `fastinter` and
 * `spread-checks` shorten single pauses, and the next one is as long as before.
 */
const SHORTEN = 3 / 4;

/** One caller that polls, as it was last seen; times in monotonic milliseconds. */
export interface KnownPoller<N> {
  readonly name: string;
  /** When it polled last. */
  readonly at: number;
  /** The pause between two of its polls; null while it has polled only once. */
  readonly intervalMs: number | null;
  readonly note: N;
}

/** A bounded memory of pollers. */
export interface KnownPollers<N> {
  get(name: string): KnownPoller<N> | undefined;
  /**
   * Records a poll. Where there is no room, the poller that is not steady and has not polled longest is dropped; a
   * steady one never is, so with 64 of them a newcomer is not recorded.
   * @param note makes what to keep of it; `before` is null for a new poller, and `isBack` is true after a pause
   *   longer than a steady one makes: it may be another process, which has had no answer
   */
  polled(name: string, note: (before: N | null, isBack: boolean) => N): void;
  /** All that are remembered, the one that has been silent longest first. */
  all(): readonly KnownPoller<N>[];
  isSteady(poller: KnownPoller<N>): boolean;
}

/** Until when a poller counts as steady, should it not poll again; null for one that never was. */
export function steadyUntil({ at, intervalMs }: KnownPoller<unknown>): number | null {
  if (intervalMs === null) return null;
  return at + Math.min(FORGET_MS, PATIENCE * Math.max(intervalMs, MIN_INTERVAL_MS));
}

export function createPollers<N>(clock: Clock): KnownPollers<N> {
  // In the order of their last polls.
  const known = new Map<string, KnownPoller<N>>();
  const isForgotten = ({ at }: KnownPoller<N>, now: number): boolean => now - at > FORGET_MS;
  const isSteadyAt = (poller: KnownPoller<N>, now: number): boolean =>
    (steadyUntil(poller) ?? -Infinity) >= now;
  const get = (name: string): KnownPoller<N> | undefined => {
    const poller = known.get(name);
    return poller === undefined || isForgotten(poller, clock.now()) ? undefined : poller;
  };
  const makeRoom = (now: number): boolean => {
    if (known.size < MAX_POLLERS) return true;
    for (const poller of known.values()) {
      if (!isSteadyAt(poller, now)) return known.delete(poller.name);
    }
    return false;
  };
  return {
    get,
    polled(name, note) {
      const now = clock.now();
      const before = get(name);
      known.delete(name);
      if (!makeRoom(now)) return;
      const isBack = before !== undefined && before.intervalMs !== null && !isSteadyAt(before, now);
      const intervalMs = before === undefined || isBack ? null : nextInterval(before, now);
      known.set(name, { name, at: now, intervalMs, note: note(before?.note ?? null, isBack) });
    },
    all() {
      const now = clock.now();
      return [...known.values()].filter((poller) => !isForgotten(poller, now));
    },
    isSteady: (poller) => isSteadyAt(poller, clock.now()),
  };
}

function nextInterval({ at, intervalMs }: KnownPoller<unknown>, now: number): number {
  return Math.max(now - at, (intervalMs ?? 0) * SHORTEN);
}
