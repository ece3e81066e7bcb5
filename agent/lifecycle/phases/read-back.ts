import { isReady, isUp, warm } from './return.ts';
import { byName } from '../model/named-error.ts';
import { forcedOf, viewOf } from '../observed/counts.ts';
import { isHealthy, mayTakeUsers, notHealthy } from '../observed/health.ts';
import { heldWords, overWords } from '../sync/ownership.ts';
import { endLost, releaseListed } from '../sync/lost-servers.ts';
import type { Outing } from '../model/outing.ts';
import type { Policy } from '../model/policy.ts';
import { conclude, finish } from '../report/result.ts';
import type { Operation } from '../model/operation.ts';
import { notOurs } from '../model/server-state.ts';
import { allConfirmed, notUp, warnLeftOut } from '../sync/reconcile.ts';
import {
  type Placed,
  type Turn,
  alarm,
  allServersOf,
  enter,
  isDurable,
  patch,
  patchServer,
  resave,
  serversOf,
  warn,
} from '../draft.ts';

/** The end of the way back: what was found, or READY, is read back; then the node serves. */

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
