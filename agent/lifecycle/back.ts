import { byName } from './by-name.ts';
import { forcedOf, viewOf } from './count.ts';
import { heldWords, overWords } from './judge.ts';
import { allConfirmed, notChecked, notUp, warnLeftOut } from './servers.ts';
import { noStop, stillLevel } from './fence.ts';
import { forgetGate, isGate } from './gate.ts';
import { askAnew, isHealthy, mayTakeUsers, notHealthy, wasFenced } from './health.ts';
import { endLost, releaseListed } from './lost.ts';
import type { Request } from './operation.ts';
import { type Policy, RESTORE_PATIENCE_MS } from './policy.ts';
import { askRemains, whatRemains } from './remains.ts';
import { conclude, finish } from './result.ts';
import type { Operation, Ticket } from './running.ts';
import type { Level, Outing } from './outing.ts';
import { notOurs, type State } from './state.ts';
import type { Proof } from './view.ts';
import {
  alarm,
  allServersOf,
  type Changes,
  emit,
  enter,
  intend,
  isDurable,
  patchServer,
  patch,
  resave,
  type Placed,
  serversOf,
  type Turn,
  warn,
} from './turn.ts';

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

export function returning(turn: Turn, { level }: Outing): void {
  if (!isDurable(turn.state)) return;
  const { policy, state } = turn;
  const { op, health } = state;
  const isBack = allConfirmed(policy, state) && (level === 'found' || isUp(turn));
  // `ready` and `restart` are done in `serving` only; what gives back waits for no more than what it gives back.
  const isAwaited = op !== null && op.outcome === null && op.kind !== 'release';
  if (isBack && (!isAwaited || isHealthy(turn))) return serve(turn);
  // `ready` starts what is down.
  if (isAwaited && level === 'found' && health === 'down') return warm(turn);
  if (op?.outcome && op.restoreBy !== null && turn.at >= op.restoreBy) leaveGiven(turn, op.outcome);
  else if (op && !op.outcome && turn.at >= op.deadline) leaveLate(turn);
}

/** HAProxy has checked the servers since READY, as far as that is visible; at the deadline its UP is enough. */
function isUp(turn: Turn): boolean {
  const { policy, state, at } = turn;
  if (notUp(policy, state).length > 0) return false;
  const [unchecked] = notChecked(turn);
  if (unchecked === undefined) return true;
  if (state.op !== null && at < state.op.deadline) return false;
  warn(turn, 'unchecked', unchecked);
  return true;
}

/** What was found is not back in time: the operation ends with its own cause, and the level goes on. */
function leaveGiven(turn: Turn, { code, message }: NonNullable<Operation['outcome']>): void {
  const left = `not yet restored: ${unconfirmed(turn)}; it goes on being tried`;
  warn(turn, 'not restored', left);
  finish(turn, isReady, isHealthy(turn) ? 'balancer-unreachable' : 'app-health', left);
  leave(turn, code, message);
}

/** The deadline of `ready`, `restart` or `release`. */
function leaveLate(turn: Turn): void {
  const { policy, state } = turn;
  const lost = Object.entries(state.balancers).find(([, { error }]) => error !== null);
  if (lost) {
    const why = `${byName(lost[0], lost[1].error ?? '')}; the return goes on being tried`;
    return leave(turn, 'balancer-unreachable', why);
  }
  if (!isHealthy(turn)) {
    const why = `${policy.node}: ${notHealthy(turn)} at the deadline; see app.probe; the return goes on being tried`;
    return leave(turn, 'app-health', why);
  }
  const where = unconfirmed(turn) || notUp(policy, state).join(', ');
  leave(turn, 'app-health', `not UP at the deadline: ${where}; see its health check at the balancer`);
}

/** A `ready` that undoes a drain has what it asked for when everything is back, and only then. */
function isReady({ kind }: Ticket): boolean {
  return kind === 'ready';
}

/** Ends the operation but not the return, which is a level and goes on. */
function leave(turn: Turn, code: string, message: string): void {
  conclude(turn, { code, message }, 'returning');
}

function unconfirmed(turn: Turn): string {
  return allServersOf(turn.state)
    .filter(({ server, want }) => want !== null && server.held === null && !server.confirmed)
    .map(({ at, name, server, want }) => {
      const waits = want === 'ready' && !mayTakeUsers(turn.policy, turn.state);
      return `${at}: ${name} (${waits ? `READY waits: ${notHealthy(turn)}` : (server.write.error ?? 'not read back')})`;
    })
    .join(', ');
}

const ALL_HELD =
  'every server is held and not by lastcall, so the node gets no new users; let its owner end it, or use --force --reason';
const ALL_COVERED =
  'so the node gets no new users; see to that name or server: no command ends it, and then it takes users by itself';
const ALL_ABSENT =
  'so the node gets no new users; write it back into the configuration of HAProxy and reload it, then it takes users by itself';

/** Why a server takes no new users although nothing of ours keeps it out; null = it takes them. */
interface KeptOut {
  readonly why: 'held' | 'followed' | 'covered' | 'absent';
  readonly text: string;
}

function keptOut(
  { foreignDrain }: Policy,
  { balancer, name, server: { held, found }, want }: Placed,
): KeptOut | null {
  const view = balancer.error === null ? viewOf(balancer, name) : undefined;
  if (view?.absent !== undefined) return { why: 'absent', text: view.absent };
  if (held !== null) {
    const how = view && forcedOf(view) !== 'ready' ? heldWords(view) : 'is held';
    if (foreignDrain === 'follow' && held === 'drain')
      return { why: 'followed', text: `${name} ${how}; it takes new users once its owner ends that` };
    return { why: 'held', text: `${name} ${how}; it stays as it is` };
  }
  if (found !== null && want === found.admin && want !== 'ready')
    return { why: 'held', text: `${name} is in ${want.toUpperCase()} again, as it was found` };
  if (view?.over) return { why: 'covered', text: `${name} ${overWords(view.admin, view.over)}` };
  return null;
}

/** What `ready` has come to when nothing of ours is left: one server in rotation, or one that is followed, is enough. */
function endReady(turn: Turn, kept: readonly (KeptOut | null)[]): void {
  if (turn.state.phase === 'unhealthy')
    return finish(
      turn,
      isReady,
      'app-health',
      `what was found is back, but ${notHealthy(turn)}; see app.probe`,
    );
  const out = kept.filter((one) => one !== null);
  if (out.length < kept.length || out.some(({ why }) => why === 'followed'))
    return finish(turn, isReady, 'done');
  const texts = out.map(({ text }) => text).join(', ');
  if (out.some(({ why }) => why === 'held')) return finish(turn, isReady, 'held', ALL_HELD);
  if (out.some(({ why }) => why === 'covered'))
    return finish(turn, isReady, 'held', `${texts}, ${ALL_COVERED}`);
  finish(turn, isReady, 'no-such-server', `${texts}, ${ALL_ABSENT}`);
}

/** Everything is back: nothing of ours is left at any balancer. */
function serve(turn: Turn): void {
  const kept = serversOf(turn.state).map((placed) => {
    const one = keptOut(turn.policy, placed);
    if (one) warn(turn, `kept out ${placed.at} ${placed.name}`, `${placed.at}: ${one.text}`);
    return one;
  });
  const { op, health } = turn.state;
  warnLeftOut(turn);
  alarm(turn, 'drained', null);
  // A balancer was skipped: its servers stay ours until their state is set.
  releaseListed(turn);
  endLost(turn);
  enter(turn, health === 'down' ? 'unhealthy' : 'serving');
  endReady(turn, kept);
  const { app } = turn.state;
  conclude(turn, op?.outcome ?? { code: 'done' }, turn.state.phase, {
    app: { ...app, start: 'none' },
    outing: isOver(turn) ? null : {},
  });
}

/** Nothing at any balancer is ours any more. */
function isOver({ state }: Turn): boolean {
  return allServersOf(state).every(({ server }) => server.found === null);
}

/** Releases the servers of a skipped balancer once their last state was written. */
function tidy(turn: Turn): void {
  const told = serversOf(turn.state).filter(
    ({ server }) => server.found !== null && (server.confirmed || server.held !== null),
  );
  for (const { at, name, server } of told) patchServer(turn, at, name, notOurs(server));
  if (turn.state.outing !== null) endLost(turn);
  if (turn.state.outing !== null && isOver(turn)) patch(turn, { outing: null });
  if (told.length > 0) resave(turn);
}

export function serving(turn: Turn): void {
  tidy(turn);
  if (turn.state.health === 'down') enter(turn, 'unhealthy');
}

export function unhealthy(turn: Turn): void {
  tidy(turn);
  if (turn.state.health === 'up') enter(turn, 'serving');
}
