import type { Claim, SlotHolder, PoolView, Waiter } from '../lifecycle/model/pool.ts';

/** The queue of a pool, and which waiter may have a slot: the same rule for every driver. */

/** The view of what was read; the smallest `slots` and `brake` of all claims hold. */
export function viewOf(
  begun: number,
  holders: readonly SlotHolder[],
  waiting: readonly Omit<Waiter, 'position'>[],
): PoolView {
  const claims = [...holders, ...waiting].map(({ claim }) => claim);
  return {
    begun,
    holders,
    waiters: waiting.map((one, place) => ({ ...one, position: place + 1 })),
    slots: Math.min(...claims.map(({ slots }) => slots)),
    brake: Math.min(...claims.map(({ brake }) => brake)),
  };
}

/** Whether a waiter may have a slot now: one is free for all who come before it and for itself, and the brake is off. */
export function isTurn({ holders, waiters, slots, brake }: PoolView, { id }: Claim): boolean {
  const position = waiters.find(({ claim }) => claim.id === id)?.position ?? Infinity;
  const failed = holders.filter(({ state }) => state === 'failed').length;
  return failed < brake && holders.length + position <= slots;
}
