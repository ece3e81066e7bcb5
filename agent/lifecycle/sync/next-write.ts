import { forcedOf, viewOf } from '../observed/counts.ts';
import { isHolding } from '../model/desired.ts';
import { mayTakeUsers } from '../observed/health.ts';
import { union } from './ownership.ts';
import { keepsOut } from '../model/ramp.ts';
import { isUnnamed } from '../model/unnamed.ts';
import type { ServerState } from '../model/server-state.ts';
import { isSeenGone, type State } from '../model/state.ts';
import {
  allServersOf,
  emit,
  isDurable,
  patchServer,
  patchWrite,
  type ServerPlace,
  resave,
  type Draft,
} from '../step-draft.ts';
import type { Admin } from '../model/observation.ts';

/** Which command each server gets now: what is wanted of it, or a step towards that which keeps its users (I16). */

/** Writes the desired state wherever it is not observed. */
export function reconcile(draft: Draft): void {
  if (!isDurable(draft.state) || draft.state.phase === 'recovering') return;
  reopenTaken(draft);
  if (!isDurable(draft.state)) return;
  const { epoch } = draft.state;
  for (const placed of allServersOf(draft.state)) {
    const { balancerName, name, server, target } = placed;
    if (target === null || !isToWrite(draft, placed, target)) continue;
    const admin = isOccupied(draft.state, placed) ? 'drain' : target;
    if (admin !== target && !isOpen(placed)) continue;
    const possiblyOurs = union(server.possiblyOurs, [admin]);
    patchServer(draft, balancerName, name, {
      possiblyOurs,
      everWritten: union(server.everWritten, [admin]),
    });
    patchWrite(draft, balancerName, name, { underWay: epoch });
    const mayReplaceReady = admin !== 'maint' || mayDropUsers(draft.state);
    const mayReplace = mayReplaceReady
      ? union(possiblyOurs, ['ready'])
      : possiblyOurs.filter((word) => word !== 'ready');
    emit(draft, { type: 'set-server', balancer: balancerName, server: name, admin, mayReplace, epoch });
  }
}

/**
 * A server that was to go to MAINT gets DRAIN first where users may have come; this is saved before it is written.
 */
function reopenTaken(draft: Draft): void {
  const { state } = draft;
  const opened = allServersOf(state).filter((placed) => {
    const isNews = !placed.server.everWritten.includes('drain');
    return isReopened(state, placed) || (isNews && isOpen(placed) && isOccupied(state, placed));
  });
  for (const { balancerName, name, server } of opened)
    patchServer(draft, balancerName, name, { everWritten: union(server.everWritten, ['drain']) });
  if (opened.length > 0) resave(draft);
}

/**
 * Connections at a server that is to go to MAINT, although the application is believed gone: an operator may have
 * started it, and a reload has let users in. DRAIN keeps them, and MAINT comes once they have left.
 */
function isOccupied({ app, outing, hold }: State, { balancer, name, target }: ServerPlace): boolean {
  if (target !== 'maint' || !app.gone || hold !== null) return false;
  if (outing === null || outing.force !== null || outing.forcedOut) return false;
  const view = viewOf(balancer, name);
  if (view === undefined || forcedOf(view) === 'maint') return false;
  return (view.connections ?? 0) + (view.queued ?? 0) > 0;
}

function isOpen({ balancer, name }: ServerPlace): boolean {
  const view = viewOf(balancer, name);
  return view !== undefined && forcedOf(view) === 'ready';
}

/** A server that was taken over in MAINT and that a reload has put into READY. */
function isReopened(state: State, { balancer, name, target }: ServerPlace): boolean {
  const view = viewOf(balancer, name);
  const isDraining = state.outing?.level === 'drain' && target === 'maint';
  return isDraining && view !== undefined && forcedOf(view) === 'ready' && !mayDropUsers(state);
}

/** It is not seen as it should be, no write is under way, and another one may help. */
function isToWrite(
  { policy, state, at }: Draft,
  { balancer, balancerName, name, server }: ServerPlace,
  target: Admin,
): boolean {
  const { foreign: held, inSync, write } = server;
  if (held !== null || inSync || write.underWay !== null) return false;
  if (target === 'ready' && (!mayTakeUsers(policy, state) || waitsForWeight(state, server))) return false;
  if (isUnnamed(policy, state, balancerName, name)) return false;
  if (balancer.error !== null || write.retryAt > at) return false;
  const view = viewOf(balancer, name);
  if (view?.absent !== undefined) return false;
  // The desired state is set, but an earlier write may still change it; writing again would not help.
  return !(write.uncertainUntil > at && view && forcedOf(view) === target);
}

/** Over READY its users would come all at once; what is given back gets them as before. */
function waitsForWeight({ outing }: State, { ramp }: ServerState): boolean {
  return outing?.level === 'ready' && keepsOut(ramp);
}

/**
 * May MAINT be written over READY (I16)? A server in READY has users, if only since a reload a moment ago, and
 * MAINT moves them to other nodes: only where no user can have a session any more, where users are forced out, or
 * where an operator holds it in MAINT.
 */
export function mayDropUsers(state: State): boolean {
  const { app, outing, hold } = state;
  // A write that is sent now may arrive when a start has brought it already.
  const isGone = isSeenGone(state) && app.start === 'none';
  if (isGone || outing?.force != null || outing?.forcedOut === true) return true;
  return isHolding(state) && hold?.admin === 'maint';
}
