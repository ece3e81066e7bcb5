import { release, warm } from './back.ts';
import { forcedOf, sessionsOf } from './count.ts';
import type { Request } from './operation.ts';
import { raiseFence, wantDrain } from './fence.ts';
import { startForce } from './force.ts';
import { surveyed } from './guard.ts';
import { installHold } from './hold.ts';
import { bondsOf } from './bonds.ts';
import { baselineOf } from './result.ts';
import { type Candidate, NO_BONDS, type Operation } from './running.ts';
import { NO_REASSERTS, notOurs, type ServerState } from './state.ts';
import { intend, mapServers, patch, resave, type Turn } from './turn.ts';
import type { ServerView } from './view.ts';

/**
 * Makes an admitted request the operation of the node. Answers under which id its result will be found, or null when
 * there is nothing to do.
 */
export function install(turn: Turn, candidate: Candidate, warnings: readonly string[]): string | null {
  const { request } = candidate;
  const { op } = turn.state;
  if (op) return change(turn, candidate, op, warnings);
  if (candidate.gone) patch(turn, { appGone: true });
  patch(turn, { proof: candidate.proof, sticky: stickyOf(candidate) ?? turn.state.sticky });
  if (request.kind === 'hold') {
    if (
      turn.state.phase === 'serving' ||
      turn.state.phase === 'unhealthy' ||
      turn.state.phase === 'returning'
    )
      takeServers(turn, candidate);
    installHold(turn, request, operationOf(turn, request, warnings));
    return request.id;
  }
  if (request.kind === 'release') {
    release(turn, operationOf(turn, request, warnings));
    return request.id;
  }
  if (request.kind === 'ready') return installReady(turn, candidate, warnings);
  installOut(turn, candidate, warnings);
  return request.id;
}

/** The running operation gets another deadline, or becomes part of a stronger one. */
function change(turn: Turn, candidate: Candidate, op: Operation, warnings: readonly string[]): string {
  const { request, proof, gone } = candidate;
  const stronger = request.kind !== op.kind;
  const next = {
    ...operationOf(turn, request, warnings),
    ...bondsOf(turn, candidate, surveyed(turn, candidate)),
  };
  const changed = stronger
    ? {
        ...next,
        tickets: [...op.tickets, ...next.tickets],
        startedAt: op.startedAt,
        sessionsStart: op.sessionsStart,
        forced: op.forced,
        warnings: [...op.warnings, ...next.warnings],
        baseline: op.baseline,
        hashed: op.hashed,
      }
    : { ...op, timeoutMs: next.timeoutMs, deadline: next.deadline };
  patch(turn, {
    op: changed,
    ...(stronger ? { proof, noFence: false } : {}),
    ...(gone ? { appGone: true } : {}),
  });
  resave(turn);
  return changed.id;
}

function installOut(turn: Turn, candidate: Candidate, warnings: readonly string[]): void {
  const { request } = candidate;
  const { phase, appGone, forcedOut } = turn.state;
  const op = {
    ...operationOf(turn, request, warnings),
    ...bondsOf(turn, candidate, surveyed(turn, candidate)),
  };
  const noFence = request.kind === 'drain' && !request.fence;
  if (phase === 'serving' || phase === 'unhealthy' || phase === 'returning') {
    takeServers(turn, candidate);
    intend(turn, 'draining', wantDrain, { op, noFence, restoring: false, forcedOut: false });
  } else if (phase === 'draining' || phase === 'settling' || phase === 'fencing') {
    intend(turn, 'draining', wantDrain, { op, noFence, fence: null });
  } else if (appGone && request.kind === 'restart') {
    patch(turn, { op });
    warm(turn);
  } else {
    patch(turn, { op, noFence: false, expiresAt: null });
    // Who was forced out is not waited for again, but his session may still be there, and the result says so.
    if (forcedOut) startForce(turn, 'the drain before it was forced', false);
    else raiseFence(turn);
  }
}

function installReady(turn: Turn, candidate: Candidate, warnings: readonly string[]): string | null {
  const { phase, health, appGone } = turn.state;
  const { request } = candidate;
  const op = operationOf(turn, request, warnings);
  const release = request.force || turn.policy.operatorReady;
  if (phase === 'returning') {
    takeServers(turn, candidate, release);
    intend(turn, 'returning', ({ want }) => want, { op });
    return request.id;
  }
  if (phase === 'serving' || phase === 'unhealthy') {
    const held = viewsOf(candidate).some((view) => view.admin !== 'ready');
    if (!(held && release) && health !== 'down' && !appGone) return null;
  }
  takeServers(turn, candidate, release);
  patch(turn, { op });
  warm(turn);
  return request.id;
}

/**
 * The servers become ours, with what was found; one in MAINT stays with its owner unless it is taken over. What
 * could not be asked is taken for ready: should it turn out otherwise, it is held from that look on.
 */
function takeServers(turn: Turn, candidate: Candidate, takeOver = candidate.request.force): void {
  mapServers(turn, (own, name, balancer) => {
    const view = candidate.surveys[balancer]?.servers.find((seen) => seen.name === name);
    // `ready` gives no weight back, so there is nothing to take over.
    const over = takeOver && !(candidate.request.kind === 'ready' && view?.weightless === true);
    // Taken over, whatever stands there may be replaced.
    if (own.found)
      return own.held && over ? { ...own, held: false, heldIn: null, ours: ['drain', 'maint'] } : own;
    return { ...notOurs(own), ...take(view, over) };
  });
}

function take(view: ServerView | undefined, takeOver: boolean): Partial<ServerState> {
  if (!view) return { found: { admin: 'ready', weight: null } };
  // What lies over it (DNS, a tracked server) is set by no command: the state under it is ours to set.
  const forced = forcedOf(view);
  if (forced !== 'ready' && !takeOver) {
    // Should its owner let go in the middle, it is ours like the others, and goes back to ready.
    return { found: { admin: 'ready', weight: view.weight }, held: true, heldIn: forced };
  }
  const ours = forced === 'ready' ? [] : [forced];
  return { found: { admin: forced, weight: view.weight }, ours, said: ours };
}

function viewsOf({ surveys }: Candidate): ServerView[] {
  return Object.values(surveys).flatMap(({ servers }) => servers);
}

function stickyOf({ surveys }: Candidate): string | null {
  return (
    Object.values(surveys)
      .flatMap(({ facts }) => facts)
      .find(({ sticky, hashed }) => sticky !== null && hashed === null)?.sticky ?? null
  );
}

/** The operation that a request asks for, as of now. */
export function operationOf(turn: Turn, request: Request, warnings: readonly string[]): Operation {
  const { policy, state, at } = turn;
  const timeoutMs = request.timeoutMs ?? policy.timeoutMs;
  return {
    id: request.id,
    kind: request.kind,
    tickets: [{ id: request.id, kind: request.kind }],
    by: request.by,
    reason: request.reason,
    onTimeout: request.onTimeout ?? policy.onTimeout,
    timeoutMs,
    expiresMs: request.expiresMs ?? policy.expiresMs,
    startedAt: at,
    deadline: at + timeoutMs,
    sessionsStart: state.phase === 'serving' ? null : sessionsOf(policy, state),
    sessionsLast: null,
    forced: 0,
    closed: { tunnels: 0, requests: 0 },
    warnings,
    warned: [],
    reasserts: NO_REASSERTS,
    baseline: baselineOf(state),
    ignoreServers: [...policy.ignoreServers, ...(request.ignoreServers ?? [])],
    ...NO_BONDS,
    outcome: null,
    restoreBy: null,
  };
}
