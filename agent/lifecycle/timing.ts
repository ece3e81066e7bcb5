import { sessionCount } from './observed/counts.ts';
import { nextCapacity } from './phases/capacity.ts';
import { doubtOf } from './observed/hidden-users.ts';
import { isHolding } from './model/desired.ts';
import { isOutward, PHASES } from './model/phase.ts';
import { closingSchedule } from './phases/force-close.ts';
import { nextDeadHolders } from './phases/dead-holders.ts';
import { nextSlot } from './phases/slot.ts';
import { nextAskers } from './phases/hold.ts';
import { nextRamps, rampAllowance } from './phases/ramp.ts';
import { nextSoak } from './phases/soak.ts';
import { nextOwnRequests } from './observed/auto-requests.ts';
import { nextWarningTimes } from './phases/deadline-warnings.ts';
import { FORCE_CLOSE_PATIENCE_MS, FORCE_FENCE_PATIENCE_MS, type Policy } from './model/policy.ts';
import { nextReading } from './admission/readable.ts';
import { nextUnprovenEndCheck } from './observed/unproven-end.ts';
import { nextRecordedEnd } from './observed/recorded-end.ts';
import { allServersOf } from './step-draft.ts';
import type { State } from './model/state.ts';

/** How often to ask, and when to wake: quick where a moment counts, slow where nothing happens. */

const AT_REST_MS = 2_000;
const SOURCES_AT_REST_MS = 10_000;
/** While we are out: a reload is seen within this (what a longer pause costs: BEHAVIOUR.md#reload). */
const OUT_MS = 500;
/** How long a return is watched closely. */
const AT_ONCE_MS = 10_000;
const DRAINING_MS = 250;
const STOPPING_MS = 100;
const SOURCES_DRAINING_MS = 1_000;
/** The last users: from the last one's end to the stop at most 150 ms, so no look may be far away. */
const NEAR_ZERO_MS = 50;
const NEAR_ZERO = 2;
/** So few are soon gone: their source is asked as often as it may be. */
const FEW = 10;
/** The last user who stays for an hour is not worth twenty questions a second. */
const NEAR_ZERO_PATIENCE_MS = 60_000;

/** Pauses between two polls, in milliseconds. */
export function pace(
  policy: Policy,
  state: State,
  now: number,
): { readonly balancers: number; readonly sources: number } {
  if (isHolding(state)) return { balancers: OUT_MS, sources: SOURCES_AT_REST_MS };
  const { pace: name } = PHASES[state.phase];
  switch (name) {
    case 'rest':
      return { balancers: isOutside(state) ? OUT_MS : AT_REST_MS, sources: SOURCES_AT_REST_MS };
    case 'drained':
      return {
        balancers: state.op ? NEAR_ZERO_MS : OUT_MS,
        sources: state.op ? NEAR_ZERO_MS : SOURCES_DRAINING_MS,
      };
    case 'stopping':
      // A user admitted by a reload now has a session in an application that is ending.
      return { balancers: STOPPING_MS, sources: SOURCES_AT_REST_MS };
    case 'out':
      return { balancers: OUT_MS, sources: SOURCES_AT_REST_MS };
    case 'near':
      return { balancers: NEAR_ZERO_MS, sources: NEAR_ZERO_MS };
    case 'returning':
      // A server that does not come up is not asked twenty times a second until the deadline.
      return now - state.since < AT_ONCE_MS
        ? { balancers: NEAR_ZERO_MS, sources: SOURCES_AT_REST_MS }
        : { balancers: OUT_MS, sources: SOURCES_AT_REST_MS };
    case 'settling':
      return paceOfSettling(policy, state, now);
    case 'draining':
      return paceOfDraining(policy, state, now);
    default:
      return name satisfies never;
  }
}

/** A long silence needs no hurry until it is nearly over. */
function paceOfSettling(policy: Policy, { outing }: State, now: number): ReturnType<typeof pace> {
  const quiet = outing?.quiet ?? null;
  const left = quiet === null ? 0 : quiet.since + policy.quietMs - now;
  if (left <= SOURCES_DRAINING_MS) return { balancers: NEAR_ZERO_MS, sources: NEAR_ZERO_MS };
  return { balancers: DRAINING_MS, sources: Math.min(SOURCES_DRAINING_MS, left) };
}

function paceOfDraining(policy: Policy, state: State, now: number): ReturnType<typeof pace> {
  const sessions = sessionCount(policy, state);
  if (sessions === null || sessions > FEW) return { balancers: DRAINING_MS, sources: SOURCES_DRAINING_MS };
  if (sessions > NEAR_ZERO) return { balancers: DRAINING_MS, sources: DRAINING_MS };
  const moved = Math.max(state.since, ...Object.values(state.sources).map(({ changedAt }) => changedAt));
  if (now - moved > NEAR_ZERO_PATIENCE_MS) return { balancers: DRAINING_MS, sources: DRAINING_MS };
  return { balancers: NEAR_ZERO_MS, sources: NEAR_ZERO_MS };
}

/**
 * Must a poll count the connections of old workers, which only their master can list? While nothing is drained the
 * count is not needed, and on HAProxy 3.4.0 to 3.5-dev5 each connection to the master may end HAProxy (BEHAVIOUR.md#the-master-socket).
 */
export function countsPast({ phase }: State): boolean {
  return PHASES[phase].ending || isOutward(phase);
}

/** An operation waits for probes of the application: it is asked four times a second (I15). Else as configured. */
export function isAskedOften({ phase, op }: State): boolean {
  return op !== null && PHASES[phase].probes === 'often';
}

function isOutside(state: State): boolean {
  return allServersOf(state).some(({ target }) => target !== null);
}

/**
 * When the next thing falls due that no answer will bring, in monotonic milliseconds; null = nothing will. What is due
 * already and was not done waits for an answer, and that answer will wake us.
 */
export function nextDeadline(policy: Policy, state: State, now: number): number | null {
  const { op, outing, saveAgainAt } = state;
  const { quiet = null, force = null, expiresAt = null } = outing ?? {};
  const times: number[] = [];
  if (op?.outcome) times.push(op.restoreBy ?? op.deadline);
  else if (op && !PHASES[state.phase].ending)
    times.push(op.deadline, op.deadline + rampAllowance({ policy, state }));
  if (saveAgainAt !== null) times.push(saveAgainAt);
  if (quiet) times.push(quiet.since + policy.quietMs);
  if (force) {
    times.push(force.since + FORCE_FENCE_PATIENCE_MS);
    if (force.progressAt !== null) {
      times.push(
        force.closedAt + closingSchedule(policy).everyMs,
        force.progressAt + FORCE_CLOSE_PATIENCE_MS,
      );
    }
  }
  times.push(...nextCapacity(state), ...nextSlot(state), ...nextDeadHolders(state));
  times.push(
    ...nextWarningTimes(policy.warnBeforeMs, state),
    state.gate.retryAt,
    ...nextOwnRequests(state),
    ...nextAskers(state),
    ...nextUnprovenEndCheck(state.app),
    ...nextRecordedEnd(state.app),
    ...nextReading(state),
    ...nextRamps(state, now),
    ...nextSoak(state, policy),
  );
  for (const balancer of Object.values(state.balancers)) {
    const doubt = doubtOf(policy, balancer, now);
    if (doubt?.kind === 'young') times.push(doubt.until);
  }
  if (expiresAt !== null && state.phase === 'drained') times.push(expiresAt);
  for (const { server } of allServersOf(state))
    if (server.write.failures > 0) times.push(server.write.retryAt);
  const later = times.filter((time) => time > now);
  return later.length > 0 ? Math.min(...later) : null;
}
