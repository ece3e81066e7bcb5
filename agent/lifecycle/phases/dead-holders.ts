import { emit, type EventOf, patch, type Draft } from '../step-draft.ts';
import { holderServerText, isUnchecked, unreadableText } from '../observed/pool-text.ts';
import type { HolderServer } from '../model/event.ts';
import { isoOf } from '../model/iso.ts';
import type { PoolPolicy } from '../model/policy.ts';
import type { SlotHolder } from '../model/pool.ts';
import type { DeadHolder, HolderPlace, Slot } from '../model/slot.ts';
import type { State } from '../model/state.ts';

/**
 * Holders whose sidecars do not live: the first node of the queue reads their servers, and frees a slot once all of them have
 * been READY and UP for some seconds, at every balancer that its holder has named. One that goes on after that reads its
 * slot again before it fences, and gives back what it has drained (INVARIANTS.md#i5). The holder that did not come back
 * keeps its slot whatever its servers show, and so does one whose servers cannot all be read: unknown is never READY.
 */

const FREE_AFTER_MS = 5_000;
const READ_EVERY_MS = 1_000;
/** After a longer pause between two reads it is unknown what a server showed in between. */
const LONGEST_PAUSE_MS = 4_000;

/** At the end of each step: takes note of them by the last answer of the lock, and reads their servers. */
export function advanceDeadHolders(draft: Draft): void {
  const { slot } = draft.state;
  const { pool } = draft.policy;
  if (slot === null || pool === null) return;
  const dead = deadIn(slot).map((holder) => knownOf(slot, holder) ?? newlyDead(pool, holder));
  if (dead.length === 0 && slot.deadHolders.length === 0) return;
  const due = dead.filter((one) => isDue(one, draft.at));
  const deadHolders = dead.map((one) => (due.includes(one) ? { ...one, asked: 'read' as const } : one));
  patch(draft, { slot: { ...slot, deadHolders } });
  for (const { id, places } of due) if (places !== null) emit(draft, { type: 'read-holder', id, places });
}

/** One node is enough for it, and spares HAProxy the questions of all others. */
function deadIn({ error, view, claim }: Slot): readonly SlotHolder[] {
  if (error !== null || view?.waiters[0]?.claim.id !== claim.id) return [];
  return view.holders.filter(({ alive, state }) => !alive && state !== 'failed');
}

function knownOf({ deadHolders }: Slot, { claim, revision }: SlotHolder): DeadHolder | undefined {
  return deadHolders.find((one) => one.id === claim.id && one.revision === revision);
}

function newlyDead(pool: PoolPolicy, { claim, revision }: SlotHolder): DeadHolder {
  const places = placesOf(pool, claim.servers);
  const why = places === null ? unreadableText(Object.keys(claim.servers)) : null;
  const nothing = { asked: null, answeredAt: null, inServiceSince: null } as const;
  return { id: claim.id, revision, places, ...nothing, why };
}

/** Null where it names no server, or has a balancer that is none of ours, or that shows no servers. */
function placesOf(
  { balancers }: PoolPolicy,
  servers: SlotHolder['claim']['servers'],
): readonly HolderPlace[] | null {
  const named = Object.entries(servers);
  const places = named.flatMap(([place, names]) => {
    const balancer = balancers[place];
    return balancer === undefined ? [] : [{ balancer, servers: names }];
  });
  const isSome = places.some((place) => place.servers.length > 0);
  return isSome && places.length === named.length ? places : null;
}

function isDue({ places, asked, answeredAt }: DeadHolder, at: number): boolean {
  return places !== null && asked === null && (answeredAt === null || at >= answeredAt + READ_EVERY_MS);
}

/** Its servers were read, or could not be. */
export function onHolderRead(draft: Draft, { id, servers, error, startedAt }: EventOf<'holder-read'>): void {
  const holder = draft.state.slot?.view?.holders.find(({ claim }) => claim.id === id);
  const before = draft.state.slot?.deadHolders.find((one) => one.id === id);
  if (holder === undefined || before?.asked !== 'read') return;
  const answered = { ...before, asked: null, answeredAt: draft.at };
  const out = servers?.find((server) => !isInService(server));
  if (servers === null || out !== undefined) {
    const why = out === undefined ? `its servers cannot be read: ${error ?? ''}` : holderServerText(out);
    return change(draft, { ...answered, inServiceSince: null, why });
  }
  const isRow = before.answeredAt !== null && draft.at - before.answeredAt <= LONGEST_PAUSE_MS;
  const inServiceSince = isRow ? (before.inServiceSince ?? startedAt) : startedAt;
  const needed = neededMs(draft, holder);
  const isTime = startedAt - inServiceSince >= needed;
  const why = `its slot is freed once its servers have been READY and UP for ${needed / 1_000} s`;
  change(draft, { ...answered, inServiceSince, why, asked: isTime ? 'free' : null });
  if (isTime) emit(draft, { type: 'free-holder', holder });
}

/** READY alone is what a reload shows that has lost our MAINT: the application may have ended behind it. */
function isInService(server: HolderServer): boolean {
  return server.admin === 'ready' && server.operational === 'up' && !isUnchecked(server);
}

/** The holder's own soak is not known here: this node's is used for it. */
function neededMs({ policy }: Draft, { state }: SlotHolder): number {
  return state === 'soaking' ? Math.max(FREE_AFTER_MS, policy.soakMs) : FREE_AFTER_MS;
}

/** The lock has answered, also where this node does not wait any more. */
export function onHolderFreed(draft: Draft, { holder, isFreed, error }: EventOf<'holder-freed'>): void {
  const { claim, since } = holder;
  const before = draft.state.slot?.deadHolders.find((one) => one.id === claim.id);
  if (before !== undefined) {
    const why = error === null ? before.why : `its slot cannot be freed: ${error}`;
    change(draft, { ...before, asked: null, answeredAt: draft.at, inServiceSince: null, why });
  }
  if (!isFreed) return;
  const reason = `its sidecar does not live, and its servers have been READY and UP for ${neededMs(draft, holder) / 1_000} s; it held it since ${isoOf(since)} for ${claim.operation} by ${claim.by}`;
  emit(draft, { type: 'log', level: 'warn', text: `the slot of ${claim.node} was freed: ${reason}` });
  emit(draft, { type: 'slot-freed', node: claim.node, reason });
}

function change(draft: Draft, one: DeadHolder): void {
  const { slot } = draft.state;
  if (slot === null) return;
  const deadHolders = slot.deadHolders.map((other) => (other.id === one.id ? one : other));
  patch(draft, { slot: { ...slot, deadHolders } });
}

/** When their servers are read next, in monotonic milliseconds. */
export function nextDeadHolders({ slot }: State): number[] {
  return (slot?.deadHolders ?? []).flatMap(({ places, asked, answeredAt }) =>
    places === null || asked !== null || answeredAt === null ? [] : [answeredAt + READ_EVERY_MS],
  );
}
