import { giveUp, warm, wantReady } from './back.ts';
import { wantHeld } from './hold.ts';
import { operationOf } from './install.ts';
import type { Request } from './operation.ts';
import { isFenced, raiseFence, wantDrain, wantMaint } from './fence.ts';
import { OWN_TERMS, RESTORE_PATIENCE_MS } from './policy.ts';
import { restore } from './record.ts';
import { conclude } from './result.ts';
import { type Hold, NO_SERVER, type ServerState, type State } from './state.ts';
import {
  alarm,
  emit,
  enter,
  type EventOf,
  intend,
  isHolding,
  mapServers,
  patch,
  resave,
  type Turn,
  warn,
} from './turn.ts';
import { forcedOf, viewOf } from './count.ts';
import type { Proof, ServerView } from './view.ts';
import { failStop, onStopped } from './out.ts';

/** After a start: what the record says goes on, with the time that is left. Nothing is said before the first looks. */

export function onBooted(
  turn: Turn,
  { record, sameBoot, fresh, proof, alarm: text }: EventOf<'booted'>,
): void {
  if (text !== null) alarm(turn, 'disk', text);
  if (record) patch(turn, restore(turn.state, record, sameBoot, turn.at));
  if (proof === null || isSame(proof, record?.proof ?? null)) return;
  // What was started and not told to the record is what a start on its way wanted; else it is one afresh.
  patch(turn, { fresh: fresh || turn.state.start === 'none', appGone: false, proof });
  if (turn.state.fresh) patch(turn, { stopIssued: false });
  resave(turn);
}

function isSame(one: Proof, other: Proof | null): boolean {
  return one.pid === other?.pid && one.startTime === other.startTime;
}

/** Everybody has answered once, or said why not. */
function everybodyAsked(state: State): boolean {
  return Object.values(state.balancers).every(({ at }) => at >= 0);
}

export function starting(turn: Turn): void {
  if (!everybodyAsked(turn.state)) return;
  if (turn.policy.adopt && isOutWithoutRecord(turn.state)) adopt(turn);
  else enter(turn, 'serving');
}

function isOutWithoutRecord(state: State): boolean {
  return Object.values(state.balancers).some(({ look }) => look?.servers.some(isSet));
}

/** By a command or an agent-check word, and not by the configuration (`disabled`). */
function isSet(view: ServerView): boolean {
  return forcedOf(view) !== 'ready' && (view.origin === 'forced' || view.over !== undefined);
}

/** MAINT or DRAIN without a record (a container without its state) is taken for our own, and ended by a return. */
function adopt(turn: Turn): void {
  mapServers(turn, (_own, name, balancer) => {
    const view = turn.state.balancers[balancer] && viewOf(turn.state.balancers[balancer], name);
    const forced = view ? forcedOf(view) : 'ready';
    if (!view || (forced !== 'ready' && !isSet(view)))
      return {
        ...NO_SERVER,
        found: { admin: 'ready', weight: null },
        held: view !== undefined,
        heldIn: view ? forced : null,
      };
    const ours = forced === 'ready' ? [] : [forced];
    return { ...NO_SERVER, found: { admin: 'ready', weight: view.weight }, ours, said: ours };
  });
  bringBack(turn, 'adopted at start');
}

/** A return of our own making. */
function bringBack(turn: Turn, reason: string): void {
  const request: Request = {
    ...OWN_TERMS,
    id: `start-${Math.round(turn.at)}`,
    kind: 'ready',
    reason,
    by: 'lastcall',
  };
  patch(turn, { op: operationOf(turn, request, []) });
  emit(turn, { type: 'log', level: 'info', text: `bringing the node back: ${reason}` });
  warm(turn);
}

export function recovering(turn: Turn): void {
  const { state } = turn;
  if (!everybodyAsked(state)) return;
  const to = state.resumeTo;
  patch(turn, { resumeTo: null });
  emit(turn, { type: 'log', level: 'warn', text: `resuming after a restart: the record says ${to}` });
  if (state.hold?.over === 'rotation' && (state.fresh || isHolding(state)))
    return resumeHold(turn, state.hold);
  if (state.fresh && isOut(state)) return resumeFresh(turn);
  if (state.op?.outcome) return giveUp(turn, state.op.outcome.code, state.op.outcome.message);
  switch (to) {
    case 'draining':
    case 'settling':
    case 'fencing':
      return intend(turn, 'draining', wantDrain);
    case 'drained':
    case 'stopping':
      return state.stopIssued || to === 'stopping' ? askOutcome(turn) : resumeDrained(turn);
    case 'stopped':
      return state.op?.kind === 'restart' ? warm(turn) : intend(turn, 'stopped', wantMaint);
    case 'warming':
      // Whether the start ran is not known: the probe tells, and what is down is started.
      return intend(turn, 'warming', wantStillFenced(turn), {
        start: turn.policy.hasProbe ? 'none' : state.start,
        appGone: false,
      });
    case 'returning':
      return resumeReturn(turn);
    case 'failed':
      return intend(turn, 'failed', ({ want }) => want);
    case 'starting':
    case 'recovering':
    case 'serving':
    case 'unhealthy':
    case null:
      return enter(turn, 'serving');
    default:
      return to satisfies never;
  }
}

function isOut(state: State): boolean {
  return Object.values(state.balancers).some(({ servers }) =>
    Object.values(servers).some(({ found }) => found !== null),
  );
}

/** An operator's wish outlives whatever was done over it. */
function resumeHold(turn: Turn, hold: Hold): void {
  const { op } = turn.state;
  if (op && op.kind !== 'hold') {
    const message = `the application ended with the sidecar during ${op.kind}; the node is held as before`;
    conclude(turn, { code: 'failed', message }, 'recovering', ({ want }) => want);
  }
  intend(turn, 'draining', wantHeld(hold), { noFence: true, stopIssued: false });
}

/** The application died with the old sidecar and was started anew: nobody has a session there, so it comes back. */
function resumeFresh(turn: Turn): void {
  const { op } = turn.state;
  if (op) {
    const message = `the application ended with the sidecar during ${op.kind} and was started afresh`;
    conclude(turn, { code: 'failed', message }, 'recovering', ({ want }) => want);
  }
  // A return that was under way wants READY, and this application has not been seen healthy yet.
  const still = wantStillFenced(turn);
  mapServers(turn, (own) => (own.want === 'ready' ? { ...own, want: still(own) } : own));
  bringBack(turn, 'the application was started afresh');
}

/**
 * MAINT goes on where it stands. Where a reload has undone it while nobody watched, users have come since, and they
 * are bound to this node: DRAIN.
 */
function wantStillFenced({ policy, state }: Turn): (server: ServerState) => ServerState['want'] {
  return state.forcedOut || isFenced(policy, state) ? wantMaint : wantDrain;
}

/** A stop was issued and nobody saw its end: the outcome is read before anything else is done (I6). */
function askOutcome(turn: Turn): void {
  intend(turn, 'stopping', wantStillFenced(turn), { stopIssued: true });
  emit(turn, { type: 'outcome', epoch: turn.state.epoch, proof: turn.state.proof });
}

export function onOutcome(turn: Turn, { epoch, outcome }: EventOf<'outcome'>): void {
  if (epoch !== turn.state.epoch || turn.state.phase !== 'stopping') return;
  if (outcome === 'gone') return onStopped(turn, []);
  if (turn.policy.stopRepeatable) {
    warn(turn, 'the sidecar was interrupted at the stop; the application still runs and is stopped again');
    return isFenced(turn.policy, turn.state)
      ? raiseFence(turn, { stopIssued: false })
      : intend(turn, 'draining', wantDrain, { stopIssued: false, fence: null });
  }
  const what =
    outcome === 'alive' ? 'the application still runs' : 'nothing proves that the application is gone';
  const message = `the stop was issued before the sidecar was interrupted, and ${what}; see for yourself, then \`lastcall stop\` or \`lastcall ready\``;
  failStop(turn, 'in-doubt', message);
}

function resumeDrained(turn: Turn): void {
  const { op, noFence } = turn.state;
  if (op) raiseFence(turn);
  else intend(turn, 'drained', noFence ? wantDrain : wantMaint);
}

function resumeReturn(turn: Turn): void {
  const { op, restoring } = turn.state;
  const patience = op && op.restoreBy !== null ? { ...op, restoreBy: turn.at + RESTORE_PATIENCE_MS } : op;
  intend(turn, 'returning', restoring ? ({ want }) => want : wantReady, { op: patience });
}
