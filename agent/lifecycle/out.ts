import { connectionsOf, isKnown, pidsOf, sameTotals, sessionsOf, tally, totalsOf, viewOf } from './count.ts';
import { giveUp, warm } from './back.ts';
import { isGate } from './gate.ts';
import { FORCE_CLOSE_EVERY_MS, FORCE_CLOSE_PATIENCE_MS, FORCE_FENCE_PATIENCE_MS } from './policy.ts';
import { conclude, finish } from './result.ts';
import { allConfirmed, allKnown, askAll } from './servers.ts';
import type { Fence, Force, ServerState, State } from './state.ts';
import { emit, enter, intend, isDurable, patch, serversOf, type Turn, warn } from './turn.ts';

/** The way out: draining, settling, fencing, drained, stopping, stopped. */

/** DRAIN lets bound users finish. A server that was taken over in MAINT has none: it stays there. */
export function wantDrain(server: ServerState): ServerState['want'] {
  if (!server.found) return null;
  return server.found.admin === 'maint' ? 'maint' : 'drain';
}

/** Only MAINT makes zero final: in DRAIN an old cookie still gets in (haproxy-facts M). */
export function wantMaint(server: ServerState): ServerState['want'] {
  return server.found ? 'maint' : null;
}

export function draining(turn: Turn): void {
  if (!isDurable(turn.state) || isOverdue(turn)) return;
  const { policy, state } = turn;
  if (!allConfirmed(policy, state) || tally(policy, state, state.epochAt) !== 'zero') return;
  enter(turn, 'settling', { quiet: { since: turn.at, totals: totalsOf(state) } });
}

export function settling(turn: Turn): void {
  if (!isDurable(turn.state) || isOverdue(turn)) return;
  const { policy, state } = turn;
  const { quiet } = state;
  if (!quiet || !allConfirmed(policy, state) || tally(policy, state, state.epochAt) !== 'zero') {
    enter(turn, 'draining', { quiet: null });
    return;
  }
  // Where nobody counts users, a request between two looks is the only sign of them: silence begins anew.
  if (policy.sources.length === 0 && !sameTotals(quiet.totals, totalsOf(state))) {
    patch(turn, { quiet: { since: turn.at, totals: totalsOf(state) } });
    return;
  }
  if (turn.at - quiet.since < policy.quietMs) return;
  // Silence counts only if somebody listened at its end: each answer is newer than its beginning.
  if (policy.quietMs > 0 && tally(policy, state, quiet.since) !== 'zero') return;
  if (state.noFence) arrive(turn);
  else raiseFence(turn);
}

/** `again` keeps the force that is under way. */
export function raiseFence(turn: Turn, changes: Partial<State> = {}): void {
  const fence: Fence = { confirmedAt: null, totals: totalsOf(turn.state), pids: pidsOf(turn.state) };
  intend(turn, 'fencing', wantMaint, { fence, ...changes });
}

export function fencing(turn: Turn): void {
  if (!isDurable(turn.state)) return;
  if (turn.state.force) return forcing(turn, turn.state.force);
  if (isOverdue(turn)) return;
  const clear = lookAgain(turn);
  if (clear === 'clear') arrive(turn);
  else if (clear === 'somebody')
    backToDraining(turn, 'somebody came in before the fence was up; draining goes on');
}

/**
 * The second look: begun after every server was seen in MAINT, it says that nobody is there (`clear`), that somebody
 * slipped in (`somebody`), or nothing yet.
 */
function lookAgain(turn: Turn): 'clear' | 'somebody' | 'wait' {
  const { policy, state } = turn;
  const fence = state.fence as Fence;
  if (!allConfirmed(policy, state) || !isGate(turn, 'on')) return 'wait';
  if (fence.confirmedAt === null) {
    patch(turn, { fence: { ...fence, confirmedAt: turn.at } });
    askAll(turn);
    return 'wait';
  }
  const count = tally(policy, state, fence.confirmedAt);
  if (count === 'some') return 'somebody';
  if (count === 'unknown' || !allKnown(policy, state, fence.confirmedAt)) return 'wait';
  const same = sameTotals(fence.totals, totalsOf(state)) && samePids(fence, state);
  return same ? 'clear' : 'somebody';
}

function samePids(fence: Fence, state: State): boolean {
  const now = pidsOf(state);
  return Object.entries(fence.pids).every(([name, pid]) => pid === now[name]);
}

/** A sticky user who slipped in must not be thrown out by MAINT: DRAIN again, and wait for him too. */
function backToDraining(turn: Turn, why: string): void {
  warn(turn, why);
  intend(turn, 'draining', wantDrain, { fence: null, stopIssued: false });
}

/** Zero, fenced and looked at again. A drain ends here; for a stop the intent to stop goes to disk next. */
function arrive(turn: Turn): void {
  const { op } = turn.state;
  if (op?.kind === 'stop' || op?.kind === 'restart') {
    const fence: Fence = { confirmedAt: null, totals: totalsOf(turn.state), pids: pidsOf(turn.state) };
    intend(turn, 'drained', wantMaint, { stopIssued: true, fence, force: null });
    finish(turn, ({ kind }) => kind === 'drain', 'done');
    return;
  }
  const expiresMs = op?.expiresMs ?? null;
  conclude(turn, { code: 'done' }, 'drained', turn.state.noFence ? wantDrain : wantMaint, {
    fence: null,
    force: null,
    // In mere DRAIN the forced ones come back, and are waited for again.
    forcedOut: turn.state.forcedOut && !turn.state.noFence,
    expiresAt: expiresMs === null ? turn.state.expiresAt : turn.at + expiresMs,
  });
}

export function drained(turn: Turn): void {
  const { policy, state } = turn;
  if (!isDurable(state)) return;
  if (state.stopIssued) return lastLook(turn);
  if (tally(policy, state, state.epochAt) !== 'some' || state.forcedOut) return;
  if (!state.noFence) {
    emit(turn, { type: 'log', level: 'error', text: 'somebody is on a drained node; draining again' });
  }
  intend(turn, 'draining', wantDrain);
}

const RESIDUAL_WINDOW =
  'a reload of HAProxy in the milliseconds between the last look and the stop would let new users in: configure drain.gate, or a reload that keeps state (balancers.stateFile)';

/** The window between the last look and the stop is kept to milliseconds: the record is on disk, now look and stop. */
function lastLook(turn: Turn): void {
  if (!turn.state.forcedOut) {
    if (isOverdue(turn)) return;
    const clear = lookAgain(turn);
    if (clear === 'wait') return;
    if (clear === 'somebody')
      return backToDraining(turn, 'somebody came in before the stop; draining goes on');
  }
  if (turn.state.appGone)
    return onStopped(turn, ['the application had ended by itself before it was stopped']);
  if (!turn.policy.hasGate && !turn.policy.reloadsKeepState) warn(turn, RESIDUAL_WINDOW);
  enter(turn, 'stopping', { fence: null, force: null });
  emit(turn, { type: 'stop', epoch: turn.state.epoch, proof: turn.state.proof });
}

/** The application is gone. */
export function onStopped(turn: Turn, warnings: readonly string[]): void {
  for (const text of warnings) warn(turn, text);
  const { op } = turn.state;
  const changes = {
    stopIssued: false,
    appGone: true,
    proof: null,
    health: 'unknown',
    start: 'none',
  } as const;
  emit(turn, { type: 'reset-probe' });
  if (op?.kind !== 'restart') return conclude(turn, { code: 'done' }, 'stopped', wantMaint, changes);
  // The way back has the whole time again: a long drain must not leave the start without any.
  enter(turn, 'stopped', { ...changes, op: { ...op, deadline: turn.at + op.timeoutMs } });
  finish(turn, ({ kind }) => kind === 'drain' || kind === 'stop', 'done');
  warm(turn);
}

/** The stop did not work, or nobody can say whether it did: the node stays fenced. */
export function failStop(turn: Turn, code: 'app-stop' | 'in-doubt' | 'state-write', message: string): void {
  conclude(turn, { code, message }, 'failed', wantMaint, { stopIssued: false });
}

/** The deadline of the way out: give back, hold, or force (the policy says which). True when the phase has changed. */
function isOverdue(turn: Turn): boolean {
  const { op } = turn.state;
  if (!op || turn.at < op.deadline) return false;
  const left = `with ${howMany(sessionsOf(turn.policy, turn.state))} left`;
  switch (op.onTimeout) {
    case 'restore':
      giveUp(turn, 'deadline', `the deadline passed ${left}; what was found is restored`);
      return true;
    case 'hold':
      conclude(
        turn,
        {
          code: 'deadline',
          message: `the deadline passed ${left}; still draining, \`lastcall ready\` undoes it`,
        },
        'draining',
        wantDrain,
        { stopIssued: false, fence: null },
      );
      return true;
    case 'force':
      startForce(turn, 'the deadline passed', false);
      return true;
    default:
      return op.onTimeout satisfies never;
  }
}

function howMany(sessions: number | null): string {
  return sessions === 1 ? '1 session' : `${sessions ?? 'an unknown number of'} sessions`;
}

/** MAINT first, then close: connections that end while the server takes new ones would be replaced. */
export function startForce(turn: Turn, why: string, now: boolean): void {
  const { policy, state } = turn;
  const sessions = sessionsOf(policy, state);
  const connections = connectionsOf(policy, state);
  if (sessions === null || connections === null)
    warn(turn, 'forced while the number of sessions was unknown');
  const forced = sessions ?? connections ?? 0;
  if (state.op) patch(turn, { op: { ...state.op, forced } });
  warn(turn, `${why}: forced with ${howMany(sessions)} left`);
  const force: Force = { since: turn.at, closingSince: null, closedAt: -Infinity, now };
  raiseFence(turn, { force, forcedOut: true, stopIssued: false });
}

function forcing(turn: Turn, force: Force): void {
  const { policy, state } = turn;
  const late = force.now || turn.at - force.since >= FORCE_FENCE_PATIENCE_MS;
  if (!allConfirmed(policy, state) && !late) return;
  const open = openServers(state);
  const unknown = !allKnown(policy, state, state.epochAt);
  if (unknown && !late) return;
  if (open.length === 0 || force.now) {
    if (unknown) warn(turn, 'forced although not every balancer could be asked');
    return arrive(turn);
  }
  const queued = open.some(({ queued }) => queued !== 0);
  if (force.closingSince === null && queued && !late) return;
  if (force.closingSince !== null && turn.at - force.closingSince >= FORCE_CLOSE_PATIENCE_MS) {
    warn(turn, `connections of ${open.map(({ name }) => name).join(', ')} could not be closed`);
    return arrive(turn);
  }
  if (turn.at - force.closedAt < FORCE_CLOSE_EVERY_MS) return;
  patch(turn, { force: { ...force, closingSince: force.closingSince ?? turn.at, closedAt: turn.at } });
  close(turn, open);
}

/** Only an empty queue is closed on: HAProxy would give the queued requests to the server instead. */
function close(turn: Turn, open: readonly OpenServer[]): void {
  for (const { at, name, queued, admin } of open) {
    if (queued === 0 && admin === 'maint')
      emit(turn, { type: 'close', balancer: at, server: name, limit: Infinity });
    emit(turn, { type: 'look', balancer: at });
  }
}

interface OpenServer {
  readonly at: string;
  readonly name: string;
  readonly queued: number | null;
  readonly admin: string;
}

function openServers(state: State): OpenServer[] {
  return serversOf(state).flatMap(({ balancer, at, name }) => {
    const view = isKnown(balancer, state.epochAt) ? viewOf(balancer, name) : undefined;
    if (!view || ((view.connections ?? 0) === 0 && (view.queued ?? 0) === 0)) return [];
    return [{ at, name, queued: view.queued, admin: view.admin }];
  });
}
