import { giveUp, warm } from '../phases/return.ts';
import { onCancel } from '../phases/cancel.ts';
import { forcedOf, viewOf } from '../observed/counts.ts';
import { isHolding } from '../model/desired.ts';
import { followed, isFenced, noStop, raiseFence, stillLevel } from '../phases/fence.ts';
import { takeGained } from './gained-servers.ts';
import { askAnew } from '../observed/health.ts';
import { operationOf } from '../admission/begin.ts';
import { tellLost } from '../sync/lost-servers.ts';
import type { Phase, Request } from '../model/api.ts';
import { failStop, onStopped, signsAgainst } from '../phases/stop.ts';
import { NEW_OUTING } from '../model/outing.ts';
import { PHASES } from '../model/phase.ts';
import { OWN_TERMS, RESTORE_PATIENCE_MS } from '../model/policy.ts';
import { readRecord } from './read-record.ts';
import { restore } from './restore.ts';
import { conclude } from '../report/result.ts';
import type { State } from '../model/state.ts';
import { NO_SERVER } from '../model/server-state.ts';
import {
  alarm,
  emit,
  enter,
  type EventOf,
  intend,
  mapServers,
  ownId,
  patch,
  patchOuting,
  resave,
  type Turn,
  warn,
} from '../draft.ts';
import type { Proof, ServerView } from '../model/observation.ts';

/**
 * After a start: the recorded operation goes on, with the time that is left. Nothing is written before the first
 * polls.
 */

export function onBooted(
  turn: Turn,
  { record: raw, sameBoot, fresh, proof, alarm: text }: EventOf<'booted'>,
): void {
  if (text !== null) alarm(turn, 'disk', text);
  const read = raw === null ? null : readRecord(raw);
  if (read) {
    const { doubt } = read;
    patch(turn, restore(turn.state, turn.policy, read, sameBoot, turn.at));
    if (doubt !== null)
      alarm(
        turn,
        'record',
        `${doubt}: the node is taken for failed; \`lastcall ready\` or \`lastcall stop\``,
      );
  }
  tellLost(turn);
  if (proof === null || isSame(proof, read?.record.proof ?? null)) return;
  const { app, boot } = turn.state;
  // What was started and is not in the record is what a start on its way wanted; else it is one afresh.
  const isFresh = fresh || app.start === 'none';
  patch(turn, {
    app: { ...app, gone: false, proof, stopIssued: app.stopIssued && !isFresh },
    boot: boot && { ...boot, fresh: isFresh },
  });
  resave(turn);
}

function isSame(one: Proof, other: Proof | null): boolean {
  return one.pid === other?.pid && one.startTime === other.startTime;
}

/** Every balancer and source has answered or failed once. */
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

/** By a command or by agent-check, and not by the configuration (`disabled`). */
function isSet(view: ServerView): boolean {
  return forcedOf(view) !== 'ready' && (view.origin === 'forced' || view.over !== undefined);
}

/** MAINT or DRAIN without a record (a container without its state) is taken for our own, and ended by a return. */
function adopt(turn: Turn): void {
  mapServers(turn, (_own, name, balancer) => {
    const view = turn.state.balancers[balancer] && viewOf(turn.state.balancers[balancer], name);
    const forced = view ? forcedOf(view) : 'ready';
    const weight = view?.weight ?? null;
    if (!view || (forced !== 'ready' && !isSet(view)))
      return { ...NO_SERVER, found: { admin: 'ready', weight: null }, held: view ? forced : null };
    const ours = forced === 'ready' ? [] : [forced];
    return { ...NO_SERVER, found: { admin: 'ready', weight }, ours, said: ours };
  });
  patch(turn, { outing: { ...NEW_OUTING, level: stillLevel(turn.policy, turn.state) } });
  bringBack(turn, 'adopted at start');
}

/** A return of our own making. */
function bringBack(turn: Turn, reason: string): void {
  const request: Request = {
    ...OWN_TERMS,
    id: ownId(turn, 'start'),
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
  const { to, fresh, cancel } = state.boot ?? { to: 'serving', fresh: false, cancel: null };
  patch(turn, { boot: null });
  goOn(turn, to, fresh);
  if (cancel !== null) onCancel(turn, cancel);
}

function goOn(turn: Turn, to: Phase, fresh: boolean): void {
  const { state } = turn;
  const level = to === 'serving' ? 'info' : 'warn';
  emit(turn, { type: 'log', level, text: `resuming after a restart: the record says ${to}` });
  // In rotation nothing is ours but at a balancer that was left out of the return, which is told once it answers.
  if (state.outing === null || PHASES[to].place === 'rotation') return enter(turn, 'serving');
  const next = takeGained(turn, to);
  if (fresh) return resumeFresh(turn);
  if (isHolding(state)) return intend(turn, next);
  if (state.op?.outcome && to !== 'warming')
    return giveUp(turn, state.op.outcome.code, state.op.outcome.message);
  resume(turn, next);
}

/** Each phase goes on with what it was about. */
function resume(turn: Turn, to: Phase): void {
  const { app, op, outing } = turn.state;
  switch (to) {
    case 'draining':
    case 'settling':
    case 'fencing':
      // What was put back for lack of others stays so until there are enough.
      return intend(turn, 'draining', { outing: { level: outing?.level === 'found' ? 'found' : 'drain' } });
    case 'drained':
      return app.stopIssued ? askOutcome(turn) : op ? raiseFence(turn) : intend(turn, to);
    case 'stopping':
      return askOutcome(turn);
    case 'stopped':
      return op?.kind === 'restart' ? warm(turn) : intend(turn, to);
    case 'warming': {
      // Whether the start ran is not known: the probe decides, and an application that is down is started.
      const start = turn.policy.hasProbe ? 'none' : app.start;
      askAnew(turn);
      return intend(turn, to, {
        app: { ...app, start, gone: false },
        outing: { level: stillLevel(turn.policy, turn.state) },
      });
    }
    case 'returning':
      return resumeReturn(turn);
    case 'failed':
      // Another version was giving back what was found.
      return outing?.level === 'found' || outing?.level === 'ready' ? resumeReturn(turn) : intend(turn, to);
    case 'starting':
    case 'recovering':
    case 'serving':
    case 'unhealthy':
      return enter(turn, 'serving');
    default:
      return to satisfies never;
  }
}

/**
 * The application ended with the old sidecar and was started anew, so no user has a session there. What an operator took
 * out stays out (I19): an operation that waited for its users goes on. Everything else comes back.
 */
function resumeFresh(turn: Turn): void {
  const { op, hold, outing } = turn.state;
  const staysOut = hold !== null || outing?.lasting === true;
  const level = stillLevel(turn.policy, turn.state);
  if (op && !(staysOut && op.kind === 'drain')) {
    const message = `the application ended with the sidecar during ${op.kind} and was started afresh${staysOut ? '; the node stays out, `lastcall ready` brings it back' : ''}`;
    conclude(turn, { code: 'failed', message }, 'draining');
  }
  if (staysOut)
    return intend(turn, 'draining', { ...noStop(turn), outing: { level, fence: null, force: null } });
  patchOuting(turn, { level });
  bringBack(turn, 'the application was started afresh');
}

/** A stop was issued and its end was not seen: the outcome is read before anything else is done (I6). */
function askOutcome(turn: Turn): void {
  const { app } = turn.state;
  const outing = { level: stillLevel(turn.policy, turn.state), fence: null };
  intend(turn, 'stopping', { app: { ...app, stopIssued: true }, outing });
  emit(turn, { type: 'outcome', epoch: turn.state.epoch, proof: app.proof });
}

export function onOutcome(turn: Turn, { outcome, signs, warnings = [] }: EventOf<'outcome'>): void {
  if (!PHASES[turn.state.phase].ending) return;
  const evidence = outcome === 'gone' ? signsAgainst(turn, signs) : [];
  if (evidence.length > 0) {
    const ended = `the stop was issued before the sidecar was interrupted, and its process has ended; yet the application may be running (${evidence.join(', ')})`;
    return failStop(
      turn,
      'in-doubt',
      `${ended}; see for yourself, then \`lastcall stop\` or \`lastcall ready\``,
    );
  }
  if (outcome === 'gone') return onStopped(turn, warnings, warnings.length > 0);
  if (turn.policy.stopRepeatable) {
    const text = 'the sidecar was interrupted at the stop; the application still runs and is stopped again';
    warn(turn, 'stopped again', text);
    const isClosed = isFenced(turn.policy, turn.state) && followed(turn.policy, turn.state).length === 0;
    return isClosed
      ? raiseFence(turn)
      : intend(turn, 'draining', { ...noStop(turn), outing: { level: 'drain', fence: null } });
  }
  const what =
    outcome === 'alive' ? 'the application still runs' : 'nothing proves that the application is gone';
  const message = `the stop was issued before the sidecar was interrupted, and ${what}; see for yourself, then \`lastcall stop\` or \`lastcall ready\``;
  failStop(turn, 'in-doubt', message);
}

function resumeReturn(turn: Turn): void {
  const { op } = turn.state;
  askAnew(turn);
  const patience = op && op.restoreBy !== null ? { ...op, restoreBy: turn.at + RESTORE_PATIENCE_MS } : op;
  intend(turn, 'returning', { op: patience });
}
