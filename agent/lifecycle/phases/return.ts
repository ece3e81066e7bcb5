import type { Code } from '../../system/error.ts';
import { noStop, stillLevel } from './fence.ts';
import { beginRamps } from './ramp.ts';
import { forgetGate, isGate } from './gate.ts';
import { askAnew, isHealthy, wasFenced } from '../observed/health.ts';
import type { Request } from '../model/api.ts';
import type { Level } from '../model/outing.ts';
import { RESTORE_PATIENCE_MS } from '../model/policy.ts';
import { checkUnprovenEnd, unprovenEndReason } from '../observed/unproven-end.ts';
import { answersAfterEnd } from '../observed/recorded-end.ts';
import { endOperation, finish } from '../report/result.ts';
import type { Ticket } from '../model/operation.ts';
import { notChecked, notUp } from '../sync/reconcile.ts';
import { isGoneByRecord, type State } from '../model/state.ts';
import {
  type Changes,
  type Draft,
  emit,
  enterPhase,
  setIntent,
  isDurable,
  patch,
  resave,
  warn,
} from '../step-draft.ts';
import type { Proof } from '../model/observation.ts';

/** The way back: warming, returning, serving; and giving up, which puts back what was found. */

/** Aborts the operation: the first cause is kept, and is its result once the found state is restored. */
export function abort(draft: Draft, code: Code, message: string): void {
  const { op, hold } = draft.state;
  // A shutdown that had gone over a hold is given up: the node stays as the operator holds it (I18).
  if (hold !== null) {
    const outing = { level: 'drain', fence: null, force: null } as const;
    return endOperation(draft, { code, message }, 'draining', { ...noStop(draft), outing });
  }
  restoreFound(draft, {
    ...noStop(draft),
    outing: { lasting: false, fence: null, force: null },
    op: op && { ...op, outcome: op.outcome ?? { code, message }, restoreBy: draft.at + RESTORE_PATIENCE_MS },
  });
}

/**
 * `ready` during a drain: the operation is aborted, and the found state restored as soon as probes begun from now
 * on are healthy. The application may have been restarted meanwhile and needs its time.
 * @param request is among the tickets of the operation already
 */
export function undoFor(draft: Draft, { by, timeoutMs: asked }: Request): void {
  const { op, outing } = draft.state;
  const timeoutMs = asked ?? draft.policy.returnMs;
  const outcome = { code: 'cancelled' as const, message: `cancelled by ${by}: ready` };
  // The capacity guard has restored the found state already.
  if (outing?.level === 'found') return abort(draft, outcome.code, outcome.message);
  const terms = { outcome, timeoutMs, deadline: draft.at + timeoutMs };
  patch(draft, { ...noStop(draft), op: op && { ...op, ...terms } });
  warm(draft);
}

/** What was found is put back. A node that was never fenced waits for no probe (I15). */
export function restoreFound(draft: Draft, { outing, ...changes }: Changes): void {
  if (wasFenced(draft.state)) askAnew(draft);
  setIntent(draft, 'returning', { ...changes, outing: { ...outing, level: 'found' } });
}

/** Begins the way back: the start, where the application is gone and we can start it, goes to disk first. */
export function warm(draft: Draft): void {
  const { app } = draft.state;
  const start = app.gone && draft.policy.canStart ? 'intended' : 'none';
  const level = levelOfWarming(draft);
  askAnew(draft);
  setIntent(draft, 'warming', {
    app: { ...app, start },
    outing: { level, lasting: false, fence: null, force: null, expiresMs: null, expiresAt: null },
  });
}

/** A return that is begun anew keeps out what it has not put back yet; what was never fenced stays as it is. */
function levelOfWarming({ policy, state }: Draft): Level {
  const { level = 'none' } = state.outing ?? {};
  if (level !== 'found' && level !== 'ready') return level;
  return wasFenced(state) ? stillLevel(policy, state) : 'none';
}

export function warming(draft: Draft): void {
  const { policy, state } = draft;
  if (!isDurable(state)) return;
  const { app } = state;
  if (state.op && draft.at >= state.op.deadline) {
    const left = app.start === 'intended' ? (unprovenEndReason(app) ?? answersAfterEnd(app)) : null;
    if (left !== null) return failWarming(draft, left, 'app-stop');
    return failWarming(draft, 'it did not become healthy before the deadline');
  }
  if (app.start === 'intended') {
    if (isGoneByRecord(state) || checkUnprovenEnd(draft) === 'wait') return;
    askAnew(draft);
    emit(draft, { type: 'start', epoch: state.epoch });
    patch(draft, { app: { ...app, start: 'sent' } });
    return;
  }
  if (app.start === 'sent') return;
  if (isHealthy(draft)) return isGate(draft, 'off') ? beginReturn(draft) : undefined;
  // No operation stopped it, yet it is not there: `ready` starts what is down.
  if (state.health === 'down' && app.start === 'none' && policy.canStart)
    setIntent(draft, 'warming', { app: { ...app, start: 'intended' } });
}

/** READY; or what was found, where `ready` has undone what was under way. */
function beginReturn(draft: Draft): void {
  const { app, op } = draft.state;
  if (op?.outcome)
    return setIntent(draft, 'returning', {
      app: { ...app, gone: false },
      outing: { level: 'found' },
      op: { ...op, restoreBy: draft.at + RESTORE_PATIENCE_MS },
    });
  if (!draft.policy.hasProbe)
    warn(
      draft,
      'no probe',
      'no probe is configured: nothing but the balancer shows that the application is healthy',
    );
  beginRamps(draft);
  setIntent(draft, 'returning', { app: { ...app, gone: false }, outing: { level: 'ready' } });
}

/**
 * The application runs now, even where the operation that started it was aborted meanwhile.
 * @param proof which process it is, where the starter can name it
 */
export function onStarted(draft: Draft, proof: Proof | null): void {
  const { app } = draft.state;
  if (app.start !== 'sent') return;
  patch(draft, { app: { ...app, start: 'done', gone: false, unprovenEnd: null, proof } });
  forgetGate(draft);
  if (proof) resave(draft);
}

export function onStartFailed(draft: Draft, error: string): void {
  const { app } = draft.state;
  if (app.start !== 'sent') return;
  patch(draft, { app: { ...app, start: 'none' } });
  if (draft.state.phase === 'warming') failWarming(draft, error);
}

/** The start failed, was cancelled, or never became healthy: the node stays in MAINT, and `ready` tries again. */
export function failWarming(
  draft: Draft,
  why: string,
  code: 'app-health' | 'app-stop' | 'cancelled' = 'app-health',
): void {
  const { level = 'none' } = draft.state.outing ?? {};
  const stays = level === 'none' ? 'as it was found' : `in ${level.toUpperCase()}`;
  const message = `${draft.policy.node}: ${why}; the node stays ${stays}, \`lastcall ready\` tries again`;
  const undone = draft.state.op?.outcome ?? null;
  if (undone !== null) {
    warn(draft, 'not back', message);
    enterPhase(draft, 'failed');
    finish(draft, isReady, code, message);
  }
  endOperation(draft, undone ?? { code, message }, 'failed', noStart(draft));
}

/** A start that is under way cannot be called back: its answer is waited for before anything is begun on top of it. */
export function noStart({ state: { app } }: Draft): Pick<State, 'app'> {
  return { app: { ...app, start: app.start === 'sent' ? 'sent' : 'none' } };
}

/** HAProxy has checked the servers since READY, as far as that is visible; at the deadline its UP is enough. */
export function isUp(draft: Draft): boolean {
  const { policy, state, at } = draft;
  if (notUp(policy, state).length > 0) return false;
  const [unchecked] = notChecked(draft);
  if (unchecked === undefined) return true;
  if (state.op !== null && at < state.op.deadline) return false;
  warn(draft, 'unchecked', unchecked);
  return true;
}

/** A `ready` that undoes a drain has what it asked for when everything is back, and only then. */
export function isReady({ kind }: Ticket): boolean {
  return kind === 'ready';
}
