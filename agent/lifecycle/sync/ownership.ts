import { forcedOf } from '../observed/counts.ts';
import { desired } from '../model/desired.ts';
import type { Reasserts } from '../model/recorded-parts.ts';
import { allWeights } from '../model/ramp.ts';
import type { ServerState } from '../model/server-state.ts';
import { noteUndone, onLoss } from './undone.ts';
import { patch, patchOuting, patchServer, resave, save, type Draft, warn } from '../step-draft.ts';
import { sameWorker, type Admin, type Over, type ServerView } from '../model/observation.ts';

/** Ownership of a server's state: ours, lost, or foreign and so held (I2). */

/** After a reload the worker may have loaded any state we ever wrote, so all of them count as possibly ours. */
export function widenOwnership(draft: Draft, balancerName: string): void {
  for (const [name, own] of Object.entries(draft.state.balancers[balancerName]?.servers ?? {})) {
    if (own.found === null) continue;
    patchServer(draft, balancerName, name, {
      possiblyOurs: union(own.possiblyOurs, own.everWritten, [own.found.admin]),
      ramp: own.ramp && { ...own.ramp, ours: allWeights(own.ramp) },
    });
  }
}

/** When a look was begun, and the last one before it. */
export interface PollWindow {
  readonly startedAt: number;
  readonly before: number;
}

/** Compares what is seen of a server with what is wanted of it. */
export function checkOwnership(
  draft: Draft,
  balancerName: string,
  view: ServerView,
  window: PollWindow,
): void {
  const own = draft.state.balancers[balancerName]?.servers[view.name];
  if (!own) return;
  const target = desired(draft.state, own);
  noteUndone(draft, balancerName, view, own);
  if (target === null) return noteWhileUnwanted(draft, balancerName, view, own);
  if (view.absent !== undefined) return noteAbsent(draft, balancerName, view.name, own);
  if (isForeign(view, own, target)) return noteForeign(draft, balancerName, view, own);
  if (own.foreign !== null) {
    if (isLetGo(view, own.foreign, target)) markForeign(draft, balancerName, view.name, null);
    return;
  }
  warnOverridden(draft, balancerName, view, target);
  const there = forcedOf(view) === target;
  if (isEnded(view, own)) endFound(draft, balancerName, view.name, own);
  if (!there && isLost(own, view)) markLost(draft, balancerName, view, { ...own, target }, window.before);
  // A write of an older intent, still under way, would change it after this look.
  const { underWay, uncertainUntil } = own.write;
  const settled = underWay === null || underWay === draft.state.epoch;
  if (there && settled && window.startedAt >= uncertainUntil)
    markInSync(draft, balancerName, view.name, target);
  else patchServer(draft, balancerName, view.name, { inSync: false });
}

/**
 * Nothing is wanted of a server in an outing: it is in service and asked to return, or what was found is put back and it goes
 * back to an operator who holds it. What the operator sets meanwhile is marked even so: lastcall may come to want that very
 * state (an application that dies, a drain that is asked for), and must not take it for its own then.
 */
function noteWhileUnwanted(draft: Draft, balancerName: string, view: ServerView, own: ServerState): void {
  const { found, possiblyOurs, foreign, isLost: isUnlisted } = own;
  if (draft.state.outing === null || found === null || isUnlisted || view.absent !== undefined) return;
  const forced = forcedOf(view);
  if (foreign !== null && forced === 'ready') {
    markForeign(draft, balancerName, view.name, null);
    if (found.admin !== 'ready') endFound(draft, balancerName, view.name, own);
  }
  const isOurs = foreign === null && (forced === found.admin || possiblyOurs.includes(forced));
  if (forced !== 'ready' && !isOurs) noteForeign(draft, balancerName, view, own);
}

/**
 * A look that was begun before the present intent proves nothing of that, and yet what has come since lastcall's own state was
 * read back is an operator's: the intent may want the very same, and no later look could tell the two apart.
 */
export function noteBeforeIntent(
  draft: Draft,
  balancerName: string,
  view: ServerView,
  startedAt: number,
): void {
  const own = draft.state.balancers[balancerName]?.servers[view.name];
  if (!own || own.foreign !== null || own.applied === null || view.absent !== undefined) return;
  if (startedAt < own.applied.at || own.write.underWay !== null || !isOthers(view, own)) return;
  noteForeign(draft, balancerName, view, own);
}

/**
 * READY in place of an operator's MAINT or DRAIN that was taken over: its owner has ended it, or a reload that would have
 * ended it without lastcall too. Nothing of it is put back, since users may have come (I16).
 */
function isEnded(view: ServerView, { found, possiblyOurs }: ServerState): boolean {
  return (
    found !== null && found.admin !== 'ready' && forcedOf(view) === 'ready' && !possiblyOurs.includes('ready')
  );
}

function endFound(draft: Draft, balancerName: string, name: string, { found }: ServerState): void {
  patchServer(draft, balancerName, name, { found: found && { ...found, admin: 'ready' } });
  resave(draft);
}

/** Lost: it was in sync, or it is READY although we had confirmed DRAIN or MAINT. */
function isLost({ inSync, applied }: ServerState, view: ServerView): boolean {
  return inSync || (forcedOf(view) === 'ready' && applied !== null && applied.admin !== 'ready');
}

/**
 * This worker has no such server: there is nothing to write and no user can come. A later worker that has it again
 * starts without our state, as after any reload.
 */
function noteAbsent(draft: Draft, balancerName: string, name: string, own: ServerState): void {
  patchServer(draft, balancerName, name, { inSync: true, foreign: null });
  if (own.foreign !== null) resave(draft);
}

/**
 * Reports what overrides our state and leaves it alone: it is no operator's, and our state stays correct under it.
 */
function warnOverridden(
  draft: Draft,
  balancerName: string,
  { name, admin, over }: ServerView,
  target: Admin,
): void {
  if (!over || admin === target || draft.state.op === null) return;
  warn(
    draft,
    `over ${balancerName} ${name}`,
    `${balancerName}: ${name} ${coverText(admin, over)}; it is left as it is, and what lastcall sets is set under it`,
  );
}

/** Why a server shows a state that no command ends. */
export function coverText(admin: Admin, { by }: Over): string {
  return by === 'resolution'
    ? 'is in MAINT because its name does not resolve (DNS)'
    : `is held in ${admin.toUpperCase()} by a tracked server`;
}

/**
 * A forced MAINT or DRAIN that we did not write: an operator's, or the configuration's (`disabled`). Whether we want the same
 * makes no difference where it is seen for the first time: it was there before us. Seen in the place of another state of its
 * owner's, it counts as ours where we want it (`isLetGo`).
 */
function isForeign(view: ServerView, own: ServerState, target: Admin): boolean {
  return isOthers(view, own) && (own.foreign === null || forcedOf(view) !== target);
}

function isOthers(view: ServerView, { possiblyOurs }: ServerState): boolean {
  const forced = forcedOf(view);
  return forced !== 'ready' && !possiblyOurs.includes(forced);
}

/**
 * READY, or the state we want now, is seen again. An operator's MAINT that we have come to want as well remains the
 * operator's (I2).
 */
function isLetGo(view: ServerView, held: Admin | 'unknown', target: Admin): boolean {
  const forced = forcedOf(view);
  return forced === 'ready' || (forced === target && held !== 'unknown' && forced !== held);
}

function noteForeign(draft: Draft, balancerName: string, view: ServerView, own: ServerState): void {
  const forced = forcedOf(view);
  if (own.foreign === forced) return;
  if (own.foreign === null)
    warn(
      draft,
      `held ${balancerName} ${view.name}`,
      `${balancerName}: ${view.name} ${heldText(view)}; it is left as it is`,
    );
  markForeign(draft, balancerName, view.name, forced);
}

/** How a server is kept from users that is not so by us. */
export function heldText(view: ServerView): string {
  if (view.weightless === true && view.admin === 'drain') return weightlessText(view);
  const by = view.origin === 'config' && !view.over ? 'the configuration' : `an operator${agentToo(view)}`;
  return `is held in ${forcedOf(view).toUpperCase()} by ${by}`;
}

/** HAProxy's statistics page calls it a drain; its status is UP. An agent-check's `0%` does what a command does. */
export function weightlessText({ agent }: ServerView): string {
  const by =
    agent === undefined
      ? "an operator's drain"
      : `an operator's drain, or its agent-check's: one answers for it (${agent}), and its \`0%\` does the same`;
  return `has weight 0, which is ${by}`;
}

/** Who else may have set it: `drain` and `maint` in an agent-check's answer do what a command does (BEHAVIOUR.md#agent-check-and-operators). */
export function agentToo({ agent }: ServerView): string {
  if (agent === undefined) return '';
  return `; an agent-check answers for it (${agent}), and its \`drain\` or \`maint\` does the same`;
}

/** Whose it is outlives a crash: else a DRAIN of ours would count as held, or an operator's as ours. */
function markForeign(draft: Draft, balancerName: string, name: string, held: Admin | null): void {
  patchServer(draft, balancerName, name, { foreign: held, inSync: false, applied: null });
  resave(draft);
}

/** @param before when the last look was begun that may have shown it */
function markLost(
  draft: Draft,
  balancerName: string,
  view: ServerView,
  own: ServerState & { readonly target: Admin },
  before: number,
): void {
  const { applied, target, lostAt } = own;
  const { name } = view;
  const admin = forcedOf(view);
  const lost = (applied?.admin ?? target).toUpperCase();
  patchServer(draft, balancerName, name, {
    applied: null,
    lostAt: lostAt ?? Math.max(before, applied?.at ?? before),
  });
  countReassert(draft, ({ count, slowestMs }) => ({ count: count + 1, slowestMs }));
  patchOuting(draft, { quiet: null });
  warn(
    draft,
    `lost ${balancerName} ${name}`,
    `${balancerName}: ${name} was found in ${admin.toUpperCase()}: ${lost} was lost, and is put right`,
  );
  onLoss(draft, balancerName, view, own);
}

function markInSync(draft: Draft, balancerName: string, name: string, target: Admin): void {
  const { applied = null, lostAt = null } = draft.state.balancers[balancerName]?.servers[name] ?? {};
  const worker = draft.state.balancers[balancerName]?.worker ?? null;
  const isNews = applied?.admin !== target || !sameWorker(applied.worker, worker);
  const since = applied?.admin === target ? applied.at : draft.at;
  patchServer(draft, balancerName, name, {
    possiblyOurs: [target],
    inSync: true,
    lostAt: null,
    applied: isNews ? { admin: target, at: since, worker } : applied,
  });
  // The applied states with their times and workers outlive a crash; no step waits for this write to disk.
  if (isNews) save(draft);
  if (lostAt === null) return;
  const took = draft.at - lostAt;
  countReassert(draft, ({ count, slowestMs }) => ({ count, slowestMs: Math.max(slowestMs, took) }));
}

/** For the metrics, and for the result of the running operation. */
function countReassert(draft: Draft, change: (reasserts: Reasserts) => Reasserts): void {
  const { op, reasserts } = draft.state;
  patch(draft, { reasserts: change(reasserts), op: op && { ...op, reasserts: change(op.reasserts) } });
}

export function union(...lists: readonly (readonly Admin[])[]): readonly Admin[] {
  return [...new Set(lists.flat())];
}
