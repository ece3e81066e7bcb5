import type { Code } from '../../system/error.ts';
import { areRampsOver, rampAllowance, unraised } from './ramp.ts';
import { isReady, isUp, warm } from './return.ts';
import { byName } from '../model/named-error.ts';
import { forcedOf, viewOf } from '../observed/counts.ts';
import { isHealthy, mayTakeUsers, notHealthy } from '../observed/health.ts';
import { heldText, coverText } from '../sync/ownership.ts';
import { endLost, releaseListed } from '../sync/lost-servers.ts';
import type { Request } from '../model/api.ts';
import type { Outing } from '../model/outing.ts';
import { PHASES } from '../model/phase.ts';
import type { Policy } from '../model/policy.ts';
import { endOperation, finish } from '../report/result.ts';
import type { Operation } from '../model/operation.ts';
import { asReady, released } from '../model/server-state.ts';
import { allInSync, notUp, warnLeftOut } from '../sync/reconcile.ts';
import {
  type ServerPlace,
  type Draft,
  alarm,
  allServersOf,
  enterPhase,
  isDurable,
  mapServers,
  patch,
  patchServer,
  resave,
  serversOf,
  warn,
} from '../step-draft.ts';

/** The end of the way back: what was found, or READY, is read back; then the node serves. */

export function returning(draft: Draft, { level }: Outing): void {
  if (!isDurable(draft.state)) return;
  const { policy, state } = draft;
  const { op, health } = state;
  const isAwaited = isWaitedFor(op);
  if (isBack(draft, level) && areRampsOver(policy, state)) return serve(draft);
  // `ready` starts what is down.
  if (isAwaited && level === 'found' && health === 'down') return warm(draft);
  if (op?.outcome && op.restoreBy !== null && draft.at >= op.restoreBy) leaveGiven(draft, op.outcome);
  else if (op && !op.outcome && draft.at >= op.deadline + rampAllowance(draft)) leaveLate(draft);
}

/** `ready` and `restart` are done in `serving` only; what gives back waits for no more than what it gives back. */
function isWaitedFor(op: Operation | null): boolean {
  return op !== null && op.outcome === null && op.kind !== 'release';
}

/** All is read back, UP and healthy; a ramp may be left. */
function isBack(draft: Draft, level: Outing['level']): boolean {
  const { policy, state } = draft;
  if (!allInSync(policy, state) || !(level === 'found' || isUp(draft))) return false;
  return !isWaitedFor(state.op) || isHealthy(draft);
}

/**
 * At the ramp `ready` and `restart` have reached all but the whole share of users: they end for a request that they
 * conflict with, since without a ramp they would have ended before it came.
 * @returns whether there was one
 */
export function endAtRamp(draft: Draft, { kind, by }: Pick<Request, 'kind' | 'by'>): boolean {
  const { op, outing, phase } = draft.state;
  if (op === null || outing?.level !== 'ready' || PHASES[phase].place !== 'back' || kind === 'release')
    return false;
  if (!isWaitedFor(op) || !isBack(draft, outing.level)) return false;
  const message = `${op.kind} was given up for ${kind} by ${by}: every server was READY and UP, and its share of new users was rising`;
  mapServers(draft, asReady);
  endOperation(draft, { code: 'cancelled', message }, phase);
  // It has come back: there is no failure to report to its pool.
  const { slot } = draft.state;
  patch(draft, { slot: slot && { ...slot, failure: null } });
  return true;
}

/** What was found is not back in time: the operation ends with its own cause, and the level goes on. */
function leaveGiven(draft: Draft, { code, message }: NonNullable<Operation['outcome']>): void {
  const what = [unconfirmed(draft), ...unraised(draft)].filter((part) => part !== '').join(', ');
  const left = `not yet restored: ${what}; lastcall retries in the background`;
  warn(draft, 'not restored', left);
  finish(draft, isReady, isHealthy(draft) ? 'balancer-unreachable' : 'app-health', left);
  leave(draft, code, message);
}

/** The deadline of `ready`, `restart` or `release`. */
function leaveLate(draft: Draft): void {
  const { policy, state } = draft;
  const lost = Object.entries(state.balancers).find(([, { error }]) => error !== null);
  if (lost) {
    const why = `${byName(lost[0], lost[1].error ?? '')}; lastcall retries the return in the background`;
    return leave(draft, 'balancer-unreachable', why);
  }
  if (!isHealthy(draft)) {
    const why = `${policy.node}: ${notHealthy(draft)} at the deadline; see app.probe; lastcall retries the return in the background`;
    return leave(draft, 'app-health', why);
  }
  const where = unconfirmed(draft) || notUp(policy, state).join(', ');
  if (where === '' && !areRampsOver(policy, state))
    return leave(draft, 'failed', `${unraised(draft).join(', ')}; lastcall retries in the background`);
  leave(draft, 'app-health', `not UP at the deadline: ${where}; see its health check at the balancer`);
}

/** Ends the operation but not the return, which is a level and goes on. */
function leave(draft: Draft, code: Code, message: string): void {
  endOperation(draft, { code, message }, 'returning');
}

function unconfirmed(draft: Draft): string {
  return allServersOf(draft.state)
    .filter(({ server, target }) => target !== null && server.foreign === null)
    .filter(({ server, balancer }) => !server.inSync || balancer.error !== null)
    .map(({ balancerName, balancer, name, server, target }) => {
      const waits = target === 'ready' && !mayTakeUsers(draft.policy, draft.state);
      const why = server.write.error ?? balancer.error ?? 'not read back';
      return `${balancerName}: ${name} (${waits ? `READY waits: ${notHealthy(draft)}` : why})`;
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
  { balancer, name, server: { foreign: held, found }, target }: ServerPlace,
): KeptOut | null {
  const view = balancer.error === null ? viewOf(balancer, name) : undefined;
  if (view?.absent !== undefined) return { why: 'absent', text: view.absent };
  if (held !== null) {
    const how = view && forcedOf(view) !== 'ready' ? heldText(view) : 'is held';
    if (foreignDrain === 'follow' && held === 'drain')
      return { why: 'followed', text: `${name} ${how}; it takes new users once its owner ends that` };
    return { why: 'held', text: `${name} ${how}; it stays as it is` };
  }
  if (found !== null && target === found.admin && target !== 'ready')
    return { why: 'held', text: `${name} is in ${target.toUpperCase()} again, as it was found` };
  if (view?.over) return { why: 'covered', text: `${name} ${coverText(view.admin, view.over)}` };
  return null;
}

/** What `ready` has come to when nothing of ours is left: one server in rotation, or one that is followed, is enough. */
function endReady(draft: Draft, kept: readonly (KeptOut | null)[]): void {
  if (draft.state.phase === 'unhealthy')
    return finish(
      draft,
      isReady,
      'app-health',
      `what was found is back, but ${notHealthy(draft)}; see app.probe`,
    );
  const out = kept.filter((one) => one !== null);
  if (out.length < kept.length || out.some(({ why }) => why === 'followed'))
    return finish(draft, isReady, 'done');
  const texts = out.map(({ text }) => text).join(', ');
  if (out.some(({ why }) => why === 'held')) return finish(draft, isReady, 'held', ALL_HELD);
  if (out.some(({ why }) => why === 'covered'))
    return finish(draft, isReady, 'held', `${texts}, ${ALL_COVERED}`);
  finish(draft, isReady, 'no-such-server', `${texts}, ${ALL_ABSENT}`);
}

/** Everything is back: nothing of ours is left at any balancer. */
function serve(draft: Draft): void {
  const kept = serversOf(draft.state).map((placed) => {
    const one = keptOut(draft.policy, placed);
    if (one)
      warn(draft, `kept out ${placed.balancerName} ${placed.name}`, `${placed.balancerName}: ${one.text}`);
    return one;
  });
  const { op, health } = draft.state;
  warnLeftOut(draft);
  alarm(draft, 'drained', null);
  // A balancer was skipped: its servers stay ours until their state is set.
  releaseListed(draft);
  endLost(draft);
  enterPhase(draft, health === 'down' ? 'unhealthy' : 'serving');
  endReady(draft, kept);
  const { app } = draft.state;
  endOperation(draft, op?.outcome ?? { code: 'done' }, draft.state.phase, {
    app: { ...app, start: 'none' },
    outing: isOver(draft) ? null : {},
  });
}

/** Nothing at any balancer is ours any more. */
function isOver({ state }: Draft): boolean {
  return allServersOf(state).every(({ server }) => server.found === null);
}

/** Releases the servers of a skipped balancer once their last state was written. */
function releaseServers(draft: Draft): void {
  const written = serversOf(draft.state).filter(
    ({ server }) =>
      server.found !== null && (server.inSync || server.foreign !== null) && server.ramp === null,
  );
  for (const { balancerName, name, server } of written)
    patchServer(draft, balancerName, name, released(server));
  if (draft.state.outing !== null) endLost(draft);
  if (draft.state.outing !== null && isOver(draft)) patch(draft, { outing: null });
  if (written.length > 0) resave(draft);
}

export function serving(draft: Draft): void {
  releaseServers(draft);
  if (draft.state.health === 'down') enterPhase(draft, 'unhealthy');
}

export function unhealthy(draft: Draft): void {
  releaseServers(draft);
  if (draft.state.health === 'up') enterPhase(draft, 'serving');
}
