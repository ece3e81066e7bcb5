import { isoOf } from '../model/iso.ts';
import { listed, type Objection } from '../model/objection.ts';
import type { HolderServer } from '../model/event.ts';
import type { DeadHolder, Slot } from '../model/slot.ts';
import type { Claim, PoolView, SlotHolder } from '../model/pool.ts';

/** Texts for operators: why a claim has no slot, who holds it, since when, why, and what to do. */

const MOST_NAMED = 5;

/**
 * @param node that has the claim
 * @param dead what is known of holders whose sidecars do not live
 * @returns `locked`, or `braked`: a node did not come back, and none begins before it is seen to
 */
export function blockedBy(
  node: string,
  claim: Claim,
  view: PoolView,
  dead: readonly DeadHolder[] = [],
): Objection {
  const { id, pool } = claim;
  const failed = view.holders.filter(({ state }) => state === 'failed');
  if (failed.length > 0 && failed.length >= view.brake) {
    const who = failed.map(({ claim: its, failure, since }) => {
      const why = failure === null ? '' : ` (${failure})`;
      return `${its.node} did not come back${why}, out since ${isoOf(since)}`;
    });
    return {
      code: 'braked',
      message: `${node}: the brake of pool ${pool} is on: ${first(who).join('; ')}; ${seeTo(failed)}`,
    };
  }
  const own = view.waiters.find((one) => one.claim.id === id)?.position ?? Infinity;
  const before = view.waiters.filter(({ position }) => position < own).map((one) => one.claim.node);
  const ahead = before.length === 0 ? '' : `; before it in the queue: ${listed(before, MOST_NAMED)}`;
  const holders = view.holders.length === 0 ? ['no slot is taken'] : holdersText(view, claim, dead);
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

function holdersText({ holders }: PoolView, own: Claim, dead: readonly DeadHolder[]): readonly string[] {
  return first(holders.map((one) => holderText(one, own, dead.find(({ id }) => id === one.claim.id)?.why)));
}

/**
 * `app1 is out since ... (restart by cli alice: deploy 41)`.
 * @param own the claim of the node that says it
 * @param why the slot of one whose sidecar does not live is not freed yet
 */
function holderText(
  { claim, state, failure, since, alive, isUnseen }: SlotHolder,
  own: Claim,
  why?: string | null,
): string {
  const { node, operation, by, reason } = claim;
  const what = `${operation} by ${by}${reason === null ? '' : `: ${reason}`}`;
  const how = {
    out: `${node} holds a slot since ${isoOf(since)} (${what})`,
    soaking: `${node} is back and has to stay so for a while (${what})`,
    failed: `${node} did not come back since ${isoOf(since)} (${failure ?? what})`,
  }[state];
  if (isUnseen === true)
    return `${how}, and whether its sidecar lives cannot be seen from this pid namespace: ${unlockText(node)}`;
  if (alive) return how;
  const next = hasServersOf(claim, own) ? RENAMED : `${unlockText(node)}, else start its sidecar`;
  return `${how}, and its sidecar does not live${why ? `; ${why}; ` : ': '}${next}`;
}

/** The configuration of a node that was out got another `node`: its record and its slot are those of the name before. */
const RENAMED =
  'it names a server of this node, which had that name before: `lastcall ready --force --reason TEXT` here brings the server back, and the next node that waits frees the slot';

function hasServersOf(holder: Claim, own: Claim): boolean {
  if (holder.node === own.node) return false;
  return Object.entries(own.servers).some(([place, names]) =>
    names.some((name) => holder.servers[place]?.includes(name)),
  );
}

/** With `fall 1` HAProxy shows UP before its first check, too. */
export function isUnchecked({ assumedUp, check }: HolderServer): boolean {
  return assumedUp === true && check === undefined;
}

/** A server of a holder that is not in service: its slot stays. */
export function holderServerText(server: HolderServer): string {
  const { balancer, name, absent, admin, operational } = server;
  // Whether its node is out is not shown there: unknown is never READY.
  if (absent !== undefined) return `its slot stays, since ${balancer} does not have its ${name} any more`;
  const health = isUnchecked(server) ? 'not checked yet' : operational;
  const state = admin === 'ready' ? `READY and ${health}` : admin.toUpperCase();
  return `its slot stays while ${name} is in ${state} at ${balancer}`;
}

/** @param places of the balancers that a holder names */
export function unreadableText(places: readonly string[]): string {
  return places.length === 0
    ? 'it names no balancer at which its servers could be read, so its slot stays'
    : `its slot stays, since its servers cannot be read here: not all of its balancers show them to this node (${listed(places, MOST_NAMED)})`;
}

function seeTo(failed: readonly SlotHolder[]): string {
  const [only, ...others] = failed.map(({ claim }) => claim.node);
  const isOne = only !== undefined && others.length === 0;
  const unlock = isOne
    ? unlockText(only)
    : 'for one that no longer exists, `lastcall unlock NODE --reason TEXT`';
  return `\`lastcall ready\` there releases the others; ${unlock}`;
}

function unlockText(node: string): string {
  return `if ${node} no longer exists, \`lastcall unlock ${node} --reason TEXT\``;
}

function closedText({ closed }: PoolView): readonly string[] {
  return closed === undefined ? [] : [closed];
}

/** What a node waits for in its pool: its place, and who holds the slots. Nothing where it holds one itself. */
export function slotWaitText({ claim, is, view, error, deadHolders }: Slot): string[] {
  if (error !== null) return [error];
  if (is === 'held') return [];
  const place = view?.waiters.find((one) => one.claim.id === claim.id)?.position;
  const queue = place === undefined ? '' : `, place ${place} in the queue`;
  const why = view === null ? [] : [...holdersText(view, claim, deadHolders), ...closedText(view)];
  return [`a slot of pool ${claim.pool}${queue}`, ...why];
}
