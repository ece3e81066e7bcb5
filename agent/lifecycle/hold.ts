import type { Request } from './operation.ts';
import { allConfirmed } from './servers.ts';
import { answerAtOnce, conclude, refuse } from './result.ts';
import type { Operation } from './running.ts';
import type { Hold, ServerState } from './state.ts';
import { intend, isDurable, patch, resave, type Turn } from './turn.ts';

/**
 * Hold: an operator's own wish, kept like one. Nothing but `release` ends it; no deadline, no expiry, no calendar and
 * no sign-out of the application. It outlives crashes and reloads like every other intent.
 */

/** A held node is in DRAIN or MAINT, whatever the number of its users. */
export function wantHeld(hold: Hold): (server: ServerState) => ServerState['want'] {
  return ({ found }) => (found ? hold.admin : null);
}

/** The wish goes to disk; what is out already stays as it is, and is only marked. */
export function installHold(turn: Turn, request: Request, op: Operation): void {
  const { phase } = turn.state;
  const inRotation = phase === 'serving' || phase === 'unhealthy' || phase === 'returning';
  const over = turn.state.hold?.over ?? (inRotation ? 'rotation' : 'out');
  const hold: Hold = { admin: request.holdIn ?? 'drain', by: request.by, reason: request.reason, over };
  if (over === 'rotation')
    intend(turn, 'draining', wantHeld(hold), { op, hold, restoring: false, noFence: true });
  else intend(turn, phase, ({ want }) => want, { op, hold });
}

/** It is held as soon as every balancer has it so. */
export function holding(turn: Turn): void {
  const { policy, state } = turn;
  if (!state.op || !isDurable(state)) return;
  if (allConfirmed(policy, state)) conclude(turn, { code: 'done' }, state.phase, ({ want }) => want);
  else if (turn.at >= state.op.deadline) {
    const message = 'not every balancer could be told; it goes on being tried';
    conclude(turn, { code: 'deadline', message }, state.phase, ({ want }) => want);
  }
}

/** Everybody else's requests are refused while it holds; those that are forced go over it, and end it. */
export function refusedByHold(turn: Turn, request: Request): boolean {
  const { hold } = turn.state;
  if (!hold || request.kind === 'hold' || request.kind === 'release' || request.insist) return false;
  if (request.force) {
    patch(turn, { hold: null });
    resave(turn);
    return false;
  }
  const why = hold.reason === null ? '' : ` (${hold.reason})`;
  const text = `${turn.policy.node}: held in ${hold.admin.toUpperCase()} by ${hold.by}${why}; \`lastcall release\`, or use --force --reason`;
  refuse(turn, request, turn.at, 'held', text);
  return true;
}

/** Nothing to release, or only the mark on a node that is out anyway: done at once. */
export function releaseAtOnce(turn: Turn, request: Request): boolean {
  const { hold } = turn.state;
  if (request.kind !== 'release' || hold?.over === 'rotation') return false;
  if (hold) {
    patch(turn, { hold: null });
    resave(turn);
  }
  answerAtOnce(turn, request, turn.at, []);
  return true;
}
