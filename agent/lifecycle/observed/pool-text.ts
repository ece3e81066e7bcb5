import { isoOf } from '../model/iso.ts';
import { listed, type Objection } from '../model/objection.ts';
import type { Slot } from '../model/slot.ts';
import type { Claim, PoolView, SlotHolder } from '../model/pool.ts';

/** Texts for operators: why a claim has no slot, who holds it, since when, why, and what to do. */

const MOST_NAMED = 5;

/**
 * @param node that has the claim
 * @returns `locked`, or `braked`: a node did not come back, and none begins before it is seen to
 */
export function blockedBy(node: string, { id, pool }: Claim, view: PoolView): Objection {
  const failed = view.holders.filter(({ state }) => state === 'failed');
  if (failed.length > 0 && failed.length >= view.brake) {
    const who = failed.map(({ claim, failure, since }) => {
      const why = failure === null ? '' : ` (${failure})`;
      return `${claim.node} did not come back${why}, out since ${isoOf(since)}`;
    });
    return {
      code: 'braked',
      message: `${node}: the brake of pool ${pool} is on: ${who.join('; ')}; ${seeTo(failed)}`,
    };
  }
  const own = view.waiters.find(({ claim }) => claim.id === id)?.position ?? Infinity;
  const before = view.waiters.filter(({ position }) => position < own).map(({ claim }) => claim.node);
  const ahead = before.length === 0 ? '' : `; before it in the queue: ${listed(before, MOST_NAMED)}`;
  const holders = view.holders.length === 0 ? ['no slot is taken'] : first(view.holders.map(holderText));
  const held = [...holders, ...closedText(view)].join('; ');
  return {
    code: 'locked',
    message: `${node}: pool ${pool} has ${view.slots} ${view.slots === 1 ? 'slot' : 'slots'}: ${held}${ahead}; ask again later, or wait with --wait-for-slot`,
  };
}

/** A pool may have hundreds of nodes, and a message is a line. */
function first(words: readonly string[]): readonly string[] {
  const more = words.length - MOST_NAMED;
  return more <= 0 ? words : [...words.slice(0, MOST_NAMED), `and ${more} more`];
}

/** `app1 is out since ... (restart by cli alice: deploy 41)`. */
export function holderText({ claim, state, failure, since, alive }: SlotHolder): string {
  const { node, operation, by, reason } = claim;
  const what = `${operation} by ${by}${reason === null ? '' : `: ${reason}`}`;
  const how = {
    out: `${node} holds a slot since ${isoOf(since)} (${what})`,
    soaking: `${node} is back and has to stay so for a while (${what})`,
    failed: `${node} did not come back since ${isoOf(since)} (${failure ?? what})`,
  }[state];
  return alive ? how : `${how}, and its sidecar does not live: ${unlockText(node)}`;
}

function seeTo(failed: readonly SlotHolder[]): string {
  const names = failed.map(({ claim }) => claim.node);
  return `\`lastcall ready\` there releases the others; ${unlockText(names.join(' and '))}`;
}

function unlockText(node: string): string {
  return `if ${node} no longer exists, \`lastcall unlock ${node} --reason TEXT\``;
}

function closedText({ closed }: PoolView): readonly string[] {
  return closed === undefined ? [] : [closed];
}

/** What a node waits for in its pool: its place, and who holds the slots. Nothing where it holds one itself. */
export function slotWaitText({ claim, is, view, error }: Slot): string[] {
  if (error !== null) return [error];
  if (is === 'held') return [];
  const place = view?.waiters.find((one) => one.claim.id === claim.id)?.position;
  const queue = place === undefined ? '' : `, place ${place} in the queue`;
  const why = view === null ? [] : [...first(view.holders.map(holderText)), ...closedText(view)];
  return [`a slot of pool ${claim.pool}${queue}`, ...why];
}
