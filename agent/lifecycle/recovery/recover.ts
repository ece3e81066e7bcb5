import { abort, warm } from '../phases/return.ts';
import { onCancel } from '../phases/cancel.ts';
import { forcedOf, viewOf } from '../observed/counts.ts';
import { isHolding } from '../model/desired.ts';
import { followed, isFenced, noStop, raiseFence, returnLevel, stillLevel } from '../phases/fence.ts';
import { takeGained } from './gained-servers.ts';
import { askAnew } from '../observed/health.ts';
import { newOperation } from '../admission/begin.ts';
import { alarmLostServers } from '../sync/lost-servers.ts';
import type { Phase, Request } from '../model/api.ts';
import { failStop, onStopped, evidenceAfterStop } from '../phases/stop.ts';
import { NEW_OUTING } from '../model/outing.ts';
import { PHASES } from '../model/phase.ts';
import { OWN_TERMS, RESTORE_PATIENCE_MS } from '../model/policy.ts';
import { endCutWaiting } from '../admission/slot-request.ts';
import { bringUp, endCut } from '../phases/reboot.ts';
import { readRecord } from './read-record.ts';
import { restore } from './restore.ts';
import { endOperation } from '../report/result.ts';
import type { State } from '../model/state.ts';
import { NO_SERVER } from '../model/server-state.ts';
import {
  alarm,
  emit,
  enterPhase,
  type EventOf,
  setIntent,
  mapServers,
  ownId,
  patch,
  patchOuting,
  resave,
  type Draft,
  warn,
} from '../step-draft.ts';
import { isSameProof, type ServerView } from '../model/observation.ts';

/**
 * After a start: the recorded operation goes on, with the time that is left. Nothing is written before the first
 * polls.
 */

export function onBooted(
  draft: Draft,
  { record: raw, sameBoot, fresh, proof, alarm: text }: EventOf<'booted'>,
): void {
  if (text !== null) alarm(draft, 'disk', text);
  const read = raw === null ? null : readRecord(raw);
  if (read) {
    const { doubt } = read;
    patch(draft, restore(draft.state, draft.policy, read, sameBoot, draft.at));
    if (!sameBoot) endCutWaiting(draft);
    if (doubt !== null)
      alarm(
        draft,
        'record',
        `${doubt}: the node is taken for failed; \`lastcall ready\` or \`lastcall stop\``,
      );
  }
  alarmLostServers(draft);
  if (proof === null || isSameProof(proof, read?.record.proof ?? null)) return;
  const { app, boot } = draft.state;
  // What was started and is not in the record is what a start on its way wanted; else it is one afresh.
  const isFresh = fresh || app.start === 'none';
  patch(draft, {
    app: { ...app, gone: false, proof, stopIssued: app.stopIssued && !isFresh },
    boot: boot && { ...boot, fresh: isFresh },
  });
  resave(draft);
}

/** Every balancer and source has answered or failed once. */
function isEachAsked(state: State): boolean {
  return Object.values(state.balancers).every(({ at }) => at >= 0);
}

export function starting(draft: Draft): void {
  if (!isEachAsked(draft.state)) return;
  if (draft.policy.adopt && isOutWithoutRecord(draft.state)) adopt(draft);
  else enterPhase(draft, 'serving');
}

function isOutWithoutRecord(state: State): boolean {
  return Object.values(state.balancers).some(({ look }) => look?.servers.some(isSet));
}

/** By a command or by agent-check, and not by the configuration (`disabled`). */
function isSet(view: ServerView): boolean {
  return forcedOf(view) !== 'ready' && (view.origin === 'forced' || view.over !== undefined);
}

/** MAINT or DRAIN without a record (a container without its state) is taken for our own, and ended by a return. */
function adopt(draft: Draft): void {
  mapServers(draft, (_own, name, balancer) => {
    const view = draft.state.balancers[balancer] && viewOf(draft.state.balancers[balancer], name);
    const forced = view ? forcedOf(view) : 'ready';
    const weight = view?.weight ?? null;
    if (!view || (forced !== 'ready' && !isSet(view)))
      return { ...NO_SERVER, found: { admin: 'ready', weight: null }, foreign: view ? forced : null };
    const ours = forced === 'ready' ? [] : [forced];
    return { ...NO_SERVER, found: { admin: 'ready', weight }, possiblyOurs: ours, everWritten: ours };
  });
  patch(draft, { outing: { ...NEW_OUTING, level: stillLevel(draft.policy, draft.state) } });
  bringBack(draft, 'adopted at start');
}

/** A return of our own making. */
function bringBack(draft: Draft, reason: string): void {
  const request: Request = {
    ...OWN_TERMS,
    id: ownId(draft, 'start'),
    kind: 'ready',
    reason,
    by: 'lastcall',
  };
  patch(draft, { op: newOperation(draft, request, []) });
  emit(draft, { type: 'log', level: 'info', text: `bringing the node back: ${reason}` });
  warm(draft);
}

export function recovering(draft: Draft): void {
  const { state } = draft;
  if (!isEachAsked(state)) return;
  const { to, fresh, cancel } = state.boot ?? { to: 'serving', fresh: false, cancel: null };
  patch(draft, { boot: null });
  goOn(draft, to, fresh);
  if (cancel !== null) onCancel(draft, cancel);
}

function goOn(draft: Draft, to: Phase, fresh: boolean): void {
  const { state } = draft;
  const level = to === 'serving' ? 'info' : 'warn';
  emit(draft, { type: 'log', level, text: `resuming after a restart: ${to} by the record` });
  // In rotation nothing is ours but at a balancer that was left out of the return, which is set once it answers.
  if (state.outing === null || PHASES[to].place === 'rotation') return enterPhase(draft, 'serving');
  const next = takeGained(draft, to);
  const reboot = state.op?.reboot;
  if (reboot === 'cut') return endCut(draft);
  if (reboot === 'booted' && to === 'stopped') return bringUp(draft);
  if (fresh) return resumeFresh(draft);
  if (isHolding(state)) return setIntent(draft, next);
  if (state.op?.outcome && to !== 'warming')
    return abort(draft, state.op.outcome.code, state.op.outcome.message);
  resume(draft, next);
}

/** Each phase goes on with what it was about. */
function resume(draft: Draft, to: Phase): void {
  const { app, op, outing } = draft.state;
  switch (to) {
    case 'draining':
    case 'settling':
    case 'fencing':
      // What was put back for lack of others stays so until there are enough.
      return setIntent(draft, 'draining', {
        outing: { level: outing?.level === 'found' ? 'found' : 'drain' },
      });
    case 'drained':
      if (app.stopIssued) return askOutcome(draft);
      return op ? fenceAgain(draft) : setIntent(draft, to);
    case 'stopping':
      return askOutcome(draft);
    case 'stopped':
      return op?.kind === 'restart' ? warm(draft) : setIntent(draft, to);
    case 'warming':
      return resumeWarming(draft);
    case 'returning':
      return resumeReturn(draft);
    case 'failed':
      // Another version was giving back what was found.
      return outing?.level === 'found' || outing?.level === 'ready'
        ? resumeReturn(draft)
        : setIntent(draft, to);
    case 'starting':
    case 'recovering':
    case 'serving':
    case 'unhealthy':
      return enterPhase(draft, 'serving');
    default:
      return to satisfies never;
  }
}

/** With a lock MAINT is not written anew before the slot is known to be held: it may have been freed meanwhile. */
function fenceAgain(draft: Draft): void {
  if (draft.policy.pool === null || isFenced(draft.policy, draft.state)) return raiseFence(draft);
  setIntent(draft, 'draining', { outing: { level: 'drain' } });
}

/** Whether the start ran is not known: the probe decides, and an application that is down is started. */
function resumeWarming(draft: Draft): void {
  const { policy, state } = draft;
  const start = policy.hasProbe ? 'none' : state.app.start;
  askAnew(draft);
  setIntent(draft, 'warming', {
    app: { ...state.app, start, gone: false },
    outing: { level: returnLevel(policy, draft.state) },
  });
}

/**
 * The application ended with the old sidecar and was started anew, so no user has a session there. What an operator took
 * out stays out (I19): an operation that waited for its users goes on. Everything else comes back.
 */
function resumeFresh(draft: Draft): void {
  const { op, hold, outing } = draft.state;
  const staysOut = hold !== null || outing?.lasting === true;
  if (op && !(staysOut && op.kind === 'drain')) {
    const message = `the application ended with the sidecar during ${op.kind} and was started afresh${staysOut ? '; the node stays out, `lastcall ready` brings it back' : ''}`;
    endOperation(draft, { code: 'failed', message }, 'draining');
  }
  if (staysOut) {
    const level = stillLevel(draft.policy, draft.state);
    return setIntent(draft, 'draining', { ...noStop(draft), outing: { level, fence: null, force: null } });
  }
  patchOuting(draft, { level: returnLevel(draft.policy, draft.state) });
  bringBack(draft, 'the application was started afresh');
}

/** A stop was issued and its end was not seen: the outcome is read before anything else is done (I6). */
function askOutcome(draft: Draft): void {
  const { app } = draft.state;
  const outing = { level: stillLevel(draft.policy, draft.state), fence: null };
  setIntent(draft, 'stopping', { app: { ...app, stopIssued: true }, outing });
  emit(draft, { type: 'check-stop', epoch: draft.state.epoch, proof: app.proof });
}

export function onStopChecked(
  draft: Draft,
  { outcome, signs, warnings = [] }: EventOf<'stop-checked'>,
): void {
  if (!PHASES[draft.state.phase].ending) return;
  const evidence = outcome === 'gone' ? evidenceAfterStop(draft, signs) : [];
  if (evidence.length > 0) {
    const ended = `the stop was issued before the sidecar was interrupted, and its process has ended; yet the application may be running (${evidence.join(', ')})`;
    return failStop(
      draft,
      'in-doubt',
      `${ended}; see for yourself, then \`lastcall stop\` or \`lastcall ready\``,
    );
  }
  if (outcome === 'gone') return onStopped(draft, warnings, warnings.length > 0);
  if (draft.policy.stopIsIdempotent) {
    const text = 'the sidecar was interrupted at the stop; the application still runs and is stopped again';
    warn(draft, 'stopped again', text);
    const isClosed = isFenced(draft.policy, draft.state) && followed(draft.policy, draft.state).length === 0;
    return isClosed
      ? raiseFence(draft)
      : setIntent(draft, 'draining', { ...noStop(draft), outing: { level: 'drain', fence: null } });
  }
  const what =
    outcome === 'alive' ? 'the application still runs' : 'nothing proves that the application is gone';
  const message = `the stop was issued before the sidecar was interrupted, and ${what}; see for yourself, then \`lastcall stop\` or \`lastcall ready\``;
  failStop(draft, 'in-doubt', message);
}

function resumeReturn(draft: Draft): void {
  const { op } = draft.state;
  askAnew(draft);
  const patience = op && op.restoreBy !== null ? { ...op, restoreBy: draft.at + RESTORE_PATIENCE_MS } : op;
  setIntent(draft, 'returning', { op: patience });
}
