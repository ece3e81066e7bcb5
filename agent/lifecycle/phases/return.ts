import { noStop, stillLevel } from './fence.ts';
import { forgetGate, isGate } from './gate.ts';
import { askAnew, isHealthy, wasFenced } from '../observed/health.ts';
import type { Request } from '../model/api.ts';
import type { Level } from '../model/outing.ts';
import { RESTORE_PATIENCE_MS } from '../model/policy.ts';
import { askRemains, whatRemains } from '../observed/remains.ts';
import { conclude, finish } from '../report/result.ts';
import type { Ticket } from '../model/operation.ts';
import { notChecked, notUp } from '../sync/reconcile.ts';
import type { State } from '../model/state.ts';
import { type Changes, type Turn, emit, enter, intend, isDurable, patch, resave, warn } from '../draft.ts';
import type { Proof } from '../model/observation.ts';

/** The way back: warming, returning, serving; and giving up, which puts back what was found. */

/** Aborts the operation: the first cause is kept, and is its result once the found state is restored. */
export function giveUp(turn: Turn, code: string, message: string): void {
  const { op, hold } = turn.state;
  // A shutdown that had gone over a hold is given up: the node stays as the operator holds it (I18).
  if (hold !== null) {
    const outing = { level: 'drain', fence: null, force: null } as const;
    return conclude(turn, { code, message }, 'draining', { ...noStop(turn), outing });
  }
  giveBack(turn, {
    ...noStop(turn),
    outing: { lasting: false, fence: null, force: null },
    op: op && { ...op, outcome: op.outcome ?? { code, message }, restoreBy: turn.at + RESTORE_PATIENCE_MS },
  });
}

/**
 * `ready` during a drain: the operation is aborted, and the found state restored as soon as probes begun from now
 * on are healthy. The application may have been restarted meanwhile and needs its time.
 * @param request is among the tickets of the operation already
 */
export function undoFor(turn: Turn, { by, timeoutMs: asked }: Request): void {
  const { op, outing } = turn.state;
  const timeoutMs = asked ?? turn.policy.returnMs;
  const outcome = { code: 'cancelled', message: `cancelled by ${by}: ready` };
  // The capacity guard has restored the found state already.
  if (outing?.level === 'found') return giveUp(turn, outcome.code, outcome.message);
  const terms = { outcome, timeoutMs, deadline: turn.at + timeoutMs };
  patch(turn, { ...noStop(turn), op: op && { ...op, ...terms } });
  warm(turn);
}

/** What was found is put back. A node that was never fenced waits for no probe (I15). */
export function giveBack(turn: Turn, { outing, ...changes }: Changes): void {
  if (wasFenced(turn.state)) askAnew(turn);
  intend(turn, 'returning', { ...changes, outing: { ...outing, level: 'found' } });
}

/** Begins the way back: the start, where the application is gone and we can start it, goes to disk first. */
export function warm(turn: Turn): void {
  const { app } = turn.state;
  const start = app.gone && turn.policy.canStart ? 'intended' : 'none';
  const level = levelOfWarming(turn);
  askAnew(turn);
  intend(turn, 'warming', {
    app: { ...app, start },
    outing: { level, lasting: false, fence: null, force: null, expiresMs: null, expiresAt: null },
  });
}

/** A return that is begun anew keeps out what it has not put back yet; what was never fenced stays as it is. */
function levelOfWarming({ policy, state }: Turn): Level {
  const { level = 'none' } = state.outing ?? {};
  if (level !== 'found' && level !== 'ready') return level;
  return wasFenced(state) ? stillLevel(policy, state) : 'none';
}

export function warming(turn: Turn): void {
  const { policy, state } = turn;
  if (!isDurable(state)) return;
  const { app } = state;
  if (state.op && turn.at >= state.op.deadline) {
    const left = app.start === 'intended' ? whatRemains(app) : null;
    if (left !== null) return failWarming(turn, left, 'app-stop');
    return failWarming(turn, 'it did not become healthy before the deadline');
  }
  if (app.start === 'intended') {
    if (askRemains(turn) === 'wait') return;
    askAnew(turn);
    emit(turn, { type: 'start', epoch: state.epoch });
    patch(turn, { app: { ...app, start: 'sent' } });
    return;
  }
  if (app.start === 'sent') return;
  if (isHealthy(turn)) return isGate(turn, 'off') ? beginReturn(turn) : undefined;
  // No operation stopped it, yet it is not there: `ready` starts what is down.
  if (state.health === 'down' && app.start === 'none' && policy.canStart)
    intend(turn, 'warming', { app: { ...app, start: 'intended' } });
}

/** READY; or what was found, where `ready` has undone what was under way. */
function beginReturn(turn: Turn): void {
  const { app, op } = turn.state;
  if (op?.outcome)
    return intend(turn, 'returning', {
      app: { ...app, gone: false },
      outing: { level: 'found' },
      op: { ...op, restoreBy: turn.at + RESTORE_PATIENCE_MS },
    });
  if (!turn.policy.hasProbe)
    warn(
      turn,
      'no probe',
      'no probe is configured: nothing but the balancer says that the application is healthy',
    );
  intend(turn, 'returning', { app: { ...app, gone: false }, outing: { level: 'ready' } });
}

/**
 * The application runs now, even where the operation that started it was aborted meanwhile.
 * @param proof which process it is, where the starter can name it
 */
export function onStarted(turn: Turn, proof: Proof | null): void {
  const { app } = turn.state;
  if (app.start !== 'sent') return;
  patch(turn, { app: { ...app, start: 'done', gone: false, remains: null, proof } });
  forgetGate(turn);
  if (proof) resave(turn);
}

export function onStartFailed(turn: Turn, error: string): void {
  const { app } = turn.state;
  if (app.start !== 'sent') return;
  patch(turn, { app: { ...app, start: 'none' } });
  if (turn.state.phase === 'warming') failWarming(turn, error);
}

/** The start failed, was cancelled, or never became healthy: the node stays in MAINT, and `ready` tries again. */
export function failWarming(
  turn: Turn,
  why: string,
  code: 'app-health' | 'app-stop' | 'cancelled' = 'app-health',
): void {
  const { level = 'none' } = turn.state.outing ?? {};
  const stays = level === 'none' ? 'as it was found' : `in ${level.toUpperCase()}`;
  const message = `${turn.policy.node}: ${why}; the node stays ${stays}, \`lastcall ready\` tries again`;
  const undone = turn.state.op?.outcome ?? null;
  if (undone !== null) {
    warn(turn, 'not back', message);
    enter(turn, 'failed');
    finish(turn, isReady, code, message);
  }
  conclude(turn, undone ?? { code, message }, 'failed', noStart(turn));
}

/** A start that is under way cannot be called back: its answer is waited for before anything is begun on top of it. */
export function noStart({ state: { app } }: Turn): Pick<State, 'app'> {
  return { app: { ...app, start: app.start === 'sent' ? 'sent' : 'none' } };
}

/** HAProxy has checked the servers since READY, as far as that is visible; at the deadline its UP is enough. */
export function isUp(turn: Turn): boolean {
  const { policy, state, at } = turn;
  if (notUp(policy, state).length > 0) return false;
  const [unchecked] = notChecked(turn);
  if (unchecked === undefined) return true;
  if (state.op !== null && at < state.op.deadline) return false;
  warn(turn, 'unchecked', unchecked);
  return true;
}

/** A `ready` that undoes a drain has what it asked for when everything is back, and only then. */
export function isReady({ kind }: Ticket): boolean {
  return kind === 'ready';
}
