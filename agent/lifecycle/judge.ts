import type { Reasserts, ServerState } from './state.ts';
import { patch, patchServer, resave, save, type Turn, warn } from './turn.ts';
import { sameWorker, type Admin, type ServerView } from './view.ts';

/** Whose state stands at a server: ours, lost, or somebody else's, who then holds it (I2). */

/** A new worker may have read any of our words from a state file. */
export function widen(turn: Turn, at: string): void {
  for (const [name, own] of Object.entries(turn.state.balancers[at]?.servers ?? {})) {
    if (own.want === null) continue;
    patchServer(turn, at, name, { ours: union(own.ours, own.said, own.found ? [own.found.admin] : []) });
  }
}

/** When a look was begun, and the last one before it. */
export interface Looked {
  readonly begun: number;
  readonly before: number;
}

/** Compares what is seen of a server with what is wanted of it. */
export function judge(turn: Turn, at: string, view: ServerView, looked: Looked): void {
  const own = turn.state.balancers[at]?.servers[view.name];
  if (!own || own.want === null) return;
  if (isForeign(view, own)) return hold(turn, at, view, own);
  if (own.held) {
    // Let go by whoever held it: from ready on it is ours again.
    if (view.admin === 'ready') markHeld(turn, at, view.name, false);
    return;
  }
  const there = view.admin === own.want;
  if (!there && isLost(own, view)) lose(turn, at, view, own, looked.before);
  // A write of an older intent, still under way, would change it after this look.
  const settled = own.saying === null || own.saying === turn.state.epoch;
  if (there && settled && looked.begun >= own.unsureUntil) confirm(turn, at, view.name, own.want);
  else patchServer(turn, at, view.name, { confirmed: false });
}

/** It was seen as it should be; or it is READY, which it is not by itself after a word of ours that was read back. */
function isLost({ confirmed, told }: ServerState, { admin }: ServerView): boolean {
  return confirmed || (admin === 'ready' && told !== null && told.admin !== 'ready');
}

/** MAINT or DRAIN that we neither want nor said: an operator's, the configuration's or a tracked server's. */
function isForeign({ admin }: ServerView, { want, ours }: ServerState): boolean {
  return admin !== 'ready' && admin !== want && !ours.includes(admin);
}

function hold(turn: Turn, at: string, view: ServerView, own: ServerState): void {
  if (own.held) return;
  warn(turn, `${at}: ${view.name} ${heldWords(view)}; it is left as it is`);
  markHeld(turn, at, view.name, true);
}

/** How a server is kept from users that is not so by us. */
export function heldWords({ admin, origin, weightless }: ServerView): string {
  if (weightless === true && admin === 'drain') return "has weight 0, which is an operator's drain";
  const by =
    origin === 'forced' ? 'an operator' : origin === 'inherited' ? 'a tracked server' : 'the configuration';
  return `is held in ${admin.toUpperCase()} by ${by}`;
}

/** Whose it is outlives a crash: else a DRAIN of ours would count as held, or an operator's as ours. */
function markHeld(turn: Turn, at: string, name: string, held: boolean): void {
  patchServer(turn, at, name, { held, confirmed: false, told: null });
  resave(turn);
}

/** @param before when the last look was begun that may have shown it */
function lose(turn: Turn, at: string, { name, admin }: ServerView, own: ServerState, before: number): void {
  const { told, want, missedAt } = own;
  const lost = (told?.admin ?? want ?? admin).toUpperCase();
  patchServer(turn, at, name, { told: null, missedAt: missedAt ?? Math.max(before, told?.at ?? before) });
  countReassert(turn, ({ count, slowestMs }) => ({ count: count + 1, slowestMs }));
  patch(turn, { quiet: null });
  warn(turn, `${at}: ${name} was found in ${admin.toUpperCase()}: ${lost} was lost, and is put right`);
}

function confirm(turn: Turn, at: string, name: string, want: Admin): void {
  const { told = null, missedAt = null } = turn.state.balancers[at]?.servers[name] ?? {};
  const worker = turn.state.balancers[at]?.worker ?? null;
  const isNews = told?.admin !== want || !sameWorker(told.worker, worker);
  const since = told?.admin === want ? told.at : turn.at;
  patchServer(turn, at, name, {
    ours: [want],
    confirmed: true,
    missedAt: null,
    told: isNews ? { admin: want, at: since, worker } : told,
  });
  // What stands where, since when and by which worker outlives a crash; nothing waits for it to be on disk.
  if (isNews) save(turn);
  if (missedAt === null) return;
  const took = turn.at - missedAt;
  countReassert(turn, ({ count, slowestMs }) => ({ count, slowestMs: Math.max(slowestMs, took) }));
}

/** For the metrics, and for the result of the running operation. */
function countReassert(turn: Turn, change: (reasserts: Reasserts) => Reasserts): void {
  const { op, reasserts } = turn.state;
  patch(turn, { reasserts: change(reasserts), op: op && { ...op, reasserts: change(op.reasserts) } });
}

export function union(...lists: readonly (readonly Admin[])[]): readonly Admin[] {
  return [...new Set(lists.flat())];
}
