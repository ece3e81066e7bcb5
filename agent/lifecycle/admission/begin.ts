import { restoreFound, warm } from '../phases/return.ts';
import { soakAnew } from '../phases/soak.ts';
import { goOnWithoutSlot } from '../phases/slot.ts';
import { onlyWarns } from '../model/objection.ts';
import { userBindings } from './stickiness.ts';
import { overGuard } from '../phases/capacity.ts';
import { forcedOf, sessionCount, viewOf } from '../observed/counts.ts';
import { followed, raiseFence } from '../phases/fence.ts';
import { startForce } from '../phases/force-close.ts';
import { surveyed } from './checks.ts';
import { isHealthy } from '../observed/health.ts';
import { endHold, installHold } from '../phases/hold.ts';
import { isLasting, joinIn } from './join.ts';
import type { Request } from '../model/api.ts';
import { NEW_OUTING, type Outing } from '../model/outing.ts';
import { isInRotation, isOutward, PHASES } from '../model/phase.ts';
import { baselineOf } from '../report/result.ts';
import { type Candidate, comesBack, NO_BINDINGS, type Operation } from '../model/operation.ts';
import { NO_REASSERTS } from '../model/recorded-parts.ts';
import { asReady, released, type ServerState, takenOver } from '../model/server-state.ts';
import { setIntent, mapServers, patch, patchOuting, resave, type Draft } from '../step-draft.ts';
import type { ServerView } from '../model/observation.ts';
import { applyForce, takeOverHeld } from './terms.ts';
import { asWarnings, textsOf, withWarning } from '../model/warnings.ts';

/** A request that was admitted, and the operation that it becomes. */
export interface Admitted {
  readonly candidate: Candidate;
  readonly op: Operation;
}

/**
 * Makes an admitted request the operation of the node, or a part of the one that runs. Called twice with the same: for
 * the record that goes to disk first, and once that is there.
 * @returns under which id its result will be found; null when there is nothing to wait for
 */
export function beginOperation(draft: Draft, { candidate, op }: Admitted): string | null {
  const { request } = candidate;
  const { op: running } = draft.state;
  // Whatever the lock answers: a node whose application is ended next must not be brought back because of it.
  if (onlyWarns(request, 'locked')) goOnWithoutSlot(draft);
  if (running && candidate.joins !== null) return joinIn(draft, request, running);
  if (running) return takeOver(draft, candidate, running, op);
  if (candidate.gone) patch(draft, { app: { ...draft.state.app, gone: true, recordedEnd: null } });
  switch (request.kind) {
    case 'hold':
      if (isInRotation(draft.state.phase)) takeServers(draft, candidate);
      installHold(draft, request, textsOf(op.warnings));
      patchOuting(draft, { sticky: stickyOf(candidate) ?? draft.state.outing?.sticky ?? null });
      return request.id;
    case 'release':
      return installRelease(draft, op);
    case 'ready':
      return installReady(draft, candidate, op);
    case 'drain':
    case 'stop':
    case 'restart':
    case 'reboot':
      patch(draft, { app: { ...draft.state.app, proof: candidate.proof } });
      installOut(draft, candidate, op);
      return request.id;
    default:
      return request.kind satisfies never;
  }
}

/** The running operation becomes part of a stronger one. */
function takeOver(draft: Draft, candidate: Candidate, op: Operation, asked: Operation): string {
  const { proof, gone } = candidate;
  const stronger: Operation = {
    ...asked,
    ...userBindings(draft, candidate, surveyed(draft, candidate)),
    tickets: [...op.tickets, ...asked.tickets],
    joined: op.joined,
    startedAt: op.startedAt,
    sessionsStart: op.sessionsStart,
    forced: op.forced,
    warnings: asked.warnings.reduce(withWarning, op.warnings),
    baseline: op.baseline,
    hashed: op.hashed,
  };
  const { app, outing } = draft.state;
  const recordedEnd = gone ? null : app.recordedEnd;
  patch(draft, { op: stronger, app: { ...app, proof, gone: app.gone || gone, recordedEnd } });
  // The survey for the weaker operation is answered under that one's id, so it is made anew.
  patchOuting(draft, { ...overGuard(outing, candidate.request), fenced: true, recheck: null });
  if (candidate.request.force) applyForce(draft, candidate.request);
  if (!comesBack(stronger.kind)) patchOuting(draft, { lasting: isLasting(draft, candidate.request) });
  resave(draft);
  return stronger.id;
}

/** Begins an operation that takes the node out: from rotation, during a drain, or from a node that is out already. */
function installOut(draft: Draft, candidate: Candidate, asked: Operation): void {
  const { request } = candidate;
  const { phase, app, outing } = draft.state;
  const op = { ...asked, ...userBindings(draft, candidate, surveyed(draft, candidate)) };
  const terms: Partial<Outing> = {
    fenced: request.kind !== 'drain' || request.fence,
    lasting: isLasting(draft, request),
    ...overGuard(isInRotation(phase) ? null : outing, request),
  };
  const endsHold = request.force ? endHold(draft, `${request.kind} by ${request.by} goes over it`) : {};
  // The way back had asked for READY: that is what this operation finds, and puts back.
  if (outing?.level === 'ready') mapServers(draft, asReady);
  if (isInRotation(phase)) {
    takeServers(draft, candidate);
    patch(draft, { outing: { ...NEW_OUTING, sticky: stickyOf(candidate) } });
    return setIntent(draft, 'draining', { op, ...endsHold, outing: terms });
  }
  patch(draft, { op, ...endsHold });
  patchOuting(draft, terms);
  const taken = request.force ? takeOverHeld(draft) : 0;
  if (app.gone && request.kind === 'restart') {
    patch(draft, { op: { ...op, deadline: draft.at + op.returnMs } });
    return warm(draft);
  }
  // Its users were forced out: the stop does not wait for them, but they may still be connected, and the result has
  // a warning.
  if (outing?.forcedOut) return startForce(draft, 'the drain before it was forced', false);
  // A node in mere DRAIN may have got users since it was drained: zero and quiet come before the fence.
  const isOpen = !app.gone && (taken > 0 || followed(draft.policy, draft.state).length > 0);
  if (outing?.level === 'maint' && !isOpen && !PHASES[phase].waits) return raiseFence(draft);
  setIntent(draft, 'draining', { outing: { level: 'drain', fence: null } });
}

function installReady(draft: Draft, candidate: Candidate, op: Operation): string | null {
  const { phase, app, health } = draft.state;
  const { request } = candidate;
  const release = request.force || draft.policy.readyTakesOver;
  const takesOver = release && viewsOf(candidate).some((view) => view.admin !== 'ready');
  soakAnew(draft);
  const isBack = PHASES[phase].place === 'rotation' && !takesOver && !app.gone && health !== 'down';
  if (isBack && isHealthy(draft)) return null;
  takeServers(draft, candidate, release);
  // Until it is READY it stays as it is.
  patch(draft, { op, outing: draft.state.outing ?? { ...NEW_OUTING, level: 'none' } });
  if (request.force) patch(draft, endHold(draft, `ready by ${request.by} goes over it`));
  // The node is in rotation already; only the probes are missing.
  if (phase === 'returning' || isBack) setIntent(draft, 'returning');
  else warm(draft);
  return request.id;
}

/** What the hold had found is put back; a node that was out before it stays as it was then. */
function installRelease(draft: Draft, op: Operation): string | null {
  const { hold, phase } = draft.state;
  if (hold === null) return null;
  const ended = endHold(draft, `released by ${op.by}`);
  if (hold.over === 'rotation' && isOutward(phase)) {
    restoreFound(draft, { ...ended, op });
    return op.id;
  }
  setIntent(draft, phase, ended);
  return null;
}

/**
 * The servers become ours, with what was found; one in MAINT stays with its owner unless it is taken over. What could
 * not be asked is what its last look showed, and ready where there is none: should it turn out otherwise, it is held from
 * the next look on.
 */
function takeServers(draft: Draft, candidate: Candidate, takeOver = candidate.request.force): void {
  mapServers(draft, (own, name, balancer) => {
    const found = candidate.surveys[balancer]?.servers.find((seen) => seen.name === name);
    const known = draft.state.balancers[balancer];
    // An operator's DRAIN mistaken for READY could not be distinguished from ours once ours is written (I2).
    const view = found ?? (known && viewOf(known, name));
    // `ready` gives no weight back, so there is nothing to take over.
    const over = takeOver && !(candidate.request.kind === 'ready' && view?.weightless === true);
    // After a takeover any state may be replaced.
    if (own.found) return over ? takenOver(own) : own;
    return { ...released(own), ...asFound(view, over) };
  });
}

/** What a server is as the outing's, by the look that found it; `takeOver`: an operator's state, too. */
export function asFound(view: ServerView | undefined, takeOver: boolean): Partial<ServerState> {
  // What HAProxy does not have shows as MAINT that no operator has set: a reload may bring it, in service.
  if (view === undefined || view.absent !== undefined) return { found: { admin: 'ready', weight: null } };
  // What lies over it (DNS, a tracked server) is set by no command: the state under it is ours to set.
  const forced = forcedOf(view);
  if (forced !== 'ready' && !takeOver) {
    // Should its owner let go in the middle, it is ours like the others, and goes back to ready.
    return { found: { admin: 'ready', weight: view.weight }, foreign: forced };
  }
  const ours = forced === 'ready' ? [] : [forced];
  return { found: { admin: forced, weight: view.weight }, possiblyOurs: ours, everWritten: ours };
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

/**
 * The operation that a request asks for, as of now.
 * @param since counts that were asked for earlier are not those of its beginning; -1 = all are
 */
export function newOperation(
  draft: Draft,
  request: Request,
  warnings: readonly string[],
  since = -1,
): Operation {
  const { policy, state, at } = draft;
  const returnMs = request.kind === 'ready' ? (request.timeoutMs ?? policy.returnMs) : policy.returnMs;
  const timeoutMs = request.kind === 'ready' ? returnMs : (request.timeoutMs ?? policy.timeoutMs);
  return {
    id: request.id,
    kind: request.kind,
    tickets: [{ id: request.id, kind: request.kind }],
    joined: [],
    by: request.by,
    reason: request.reason,
    onTimeout: request.onTimeout ?? policy.onTimeout,
    timeoutMs,
    returnMs,
    expiresMs: request.expiresMs ?? policy.expiresMs,
    startedAt: at,
    deadline: at + timeoutMs,
    sessionsStart: sessionCount(policy, state, since),
    sessionsLast: null,
    countedAtStop: null,
    forced: 0,
    closed: { tunnels: 0, requests: 0 },
    warnings: asWarnings(warnings),
    warned: [],
    reasserts: NO_REASSERTS,
    baseline: baselineOf(state),
    ignoreServers: [...policy.ignoreServers, ...(request.ignoreServers ?? [])],
    ...NO_BINDINGS,
    reboot: 'none',
    outcome: null,
    restoreBy: null,
  };
}
