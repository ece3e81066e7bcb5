import {
  admit,
  onAbsent,
  onChecked,
  onLifeOfAbsent,
  onPersistFailed,
  onRefused,
  onSurveyed,
  saveAgain,
} from './admission/preflight.ts';
import { onStarted, onStartFailed, warming } from './phases/return.ts';
import { returning, serving, unhealthy } from './phases/read-back.ts';
import { onAppBack, onAppGone, onProbed, seeAlive } from './phases/app-events.ts';
import { onCancel } from './phases/cancel.ts';
import { noteCapacity, tellYielding } from './phases/capacity.ts';
import { sessionsOf } from './observed/counts.ts';
import { isHolding } from './model/desired.ts';
import { sideAfter, tellDisagreement } from './observed/source-mismatch.ts';
import type { Effect } from './model/effect.ts';
import type { Event } from './model/event.ts';
import { turnExpiry } from './phases/expiry.ts';
import { onGated, turnGate } from './phases/gate.ts';
import { isHealthy } from './observed/health.ts';
import { turnHold } from './phases/hold.ts';
import { climb } from './phases/deadline-warnings.ts';
import type { Phase } from './model/api.ts';
import { draining, fencing, reopen, settling } from './phases/drain.ts';
import { drained, failStop, onStopAnswered } from './phases/stop.ts';
import { NEW_OUTING, type Outing } from './model/outing.ts';
import { isOut, PHASES } from './model/phase.ts';
import { onClosed, startForce } from './phases/force-close.ts';
import type { Policy } from './model/policy.ts';
import { acknowledge, recordNow } from './admission/proposal.ts';
import { onBooted, onOutcome, recovering, starting } from './recovery/recover.ts';
import { onRead, turnReading } from './admission/readable.ts';
import { onRemainsSeen } from './observed/remains.ts';
import { onSubmit, takeUp } from './admission/requests.ts';
import { onLooked, onLost, onSaid, onSayFailed } from './sync/reconcile.ts';
import { turnSignOut } from './phases/sign-out.ts';
import type { State } from './model/state.ts';
import type { SourceState } from './model/server-state.ts';
import { surveyReloaded } from './observed/surroundings.ts';
import { alarm, emit, type EventOf, isDurable, patch, patchOuting, type Turn, warn } from './draft.ts';
import { assertWanted } from './sync/next-write.ts';

/**
 * The lifecycle: what was decided, what is known, what happened -> what is known now, and what is to be done.
 * A pure function: no clock, no socket, no thrown error; the same events give the same states and effects.
 * @param event carries the time at which it happened, in monotonic milliseconds
 */
export function step(policy: Policy, state: State, event: Event): readonly [State, readonly Effect[]] {
  const turn: Turn = { policy, at: event.at, state: { ...state, now: event.at }, effects: [] };
  take(turn, event);
  advance(turn);
  if (turn.state.save > state.save)
    emit(turn, { type: 'persist', save: turn.state.save, record: recordNow(turn) });
  return [turn.state, turn.effects];
}

/** The handler of each event. */
const TAKE: { readonly [T in Event['type']]: (turn: Turn, event: EventOf<T>) => void } = {
  booted: onBooted,
  tick: () => undefined,
  submit: (turn, { request }) => onSubmit(turn, request),
  cancel: onCancel,
  hurry: onHurry,
  looked: (turn, event) => {
    onLooked(turn, event);
    noteCapacity(turn, event);
  },
  lost: onLost,
  counted: (turn, { source, count, begun, at }) => onCounted(turn, source, { count, error: null, begun, at }),
  uncounted: (turn, { source, error, begun, at }) =>
    onCounted(turn, source, { count: null, error, begun, at }),
  probed: onProbed,
  persisted: (turn, { save }) => onPersisted(turn, save),
  'persist-failed': onPersistFailed,
  surveyed: onSurveyed,
  checked: onChecked,
  'app-absent': onAbsent,
  refused: onRefused,
  said: onSaid,
  'say-failed': onSayFailed,
  closed: onClosed,
  stopped: (turn, event) => (isStopping(turn) ? onStopAnswered(turn, event) : undefined),
  'stop-failed': (turn, { error }) => (isStopping(turn) ? failStop(turn, 'app-stop', error) : undefined),
  outcome: onOutcome,
  started: (turn, { proof }) => onStarted(turn, proof),
  'start-failed': (turn, { error }) => onStartFailed(turn, error),
  gated: onGated,
  hooked: onHooked,
  'app-gone': onAppGone,
  life: (turn, event) => {
    onLifeOfAbsent(turn, event);
    onRemainsSeen(turn, event);
  },
  'app-back': (turn, { proof }) => onAppBack(turn, proof),
};

function take<T extends Event['type']>(turn: Turn, event: EventOf<T>): void {
  TAKE[event.type as T](turn, event);
}

function onHooked(turn: Turn, { rung, error }: EventOf<'hooked'>): void {
  if (error !== null) warn(turn, `warn hook ${rung + 1}`, `warn hook ${rung + 1} failed: ${error}`);
}

const RUN: Readonly<Record<Phase, (turn: Turn, outing: Outing) => void>> = {
  starting,
  recovering,
  serving,
  unhealthy,
  draining,
  settling,
  fencing,
  drained,
  stopping: () => undefined,
  stopped: () => undefined,
  warming,
  returning,
  failed: () => undefined,
};

/** What follows from it: phases until nothing moves, then the requests that wait, then what the levels ask for. */
function advance(turn: Turn): void {
  rememberSessions(turn);
  acknowledge(turn);
  saveAgain(turn);
  let before: State;
  do {
    before = turn.state;
    hurry(turn);
    reopen(turn);
    runPhase(turn);
    turnHold(turn);
    turnExpiry(turn);
    turnSignOut(turn);
    turnReading(turn);
    admit(turn);
    takeUp(turn);
  } while (turn.state.phase !== before.phase || turn.state.queue.length < before.queue.length);
  climb(turn);
  turnGate(turn);
  tellYielding(turn);
  assertWanted(turn);
  surveyReloaded(turn);
}

/** A hold outranks every operation: while it keeps the node out no phase moves on. */
function runPhase(turn: Turn): void {
  const { phase, outing } = turn.state;
  if (isHolding(turn.state) && isOut(phase)) return;
  RUN[phase](turn, outing ?? NEW_OUTING);
}

/** The count at the beginning is the first one that was asked for the operation. */
function rememberSessions(turn: Turn): void {
  const { op } = turn.state;
  if (!op || op.sessionsStart !== null) return;
  const sessions = sessionsOf(turn.policy, turn.state, Math.max(op.startedAt, turn.state.epochAt));
  if (sessions !== null) patch(turn, { op: { ...op, sessionsStart: sessions } });
}

type Count = Pick<SourceState, 'count' | 'error' | 'begun' | 'at'>;

function onCounted(turn: Turn, name: string, sample: Count): void {
  const known = turn.state.sources[name];
  if (!known || sample.begun < known.begun) return;
  const { count, error, begun, at } = sample;
  if (error !== null && known.error === null) {
    // An application that is not up has no answer yet; once it is up, `onProbed` logs the failure.
    const level = isHealthy(turn) ? 'warn' : 'info';
    emit(turn, { type: 'log', level, text: `${name}: ${error}` });
  }
  const changedAt = count === known.count ? known.changedAt : turn.at;
  const source = { count, error, begun, at, changedAt, ...sideAfter(known, count, turn.at) };
  patch(turn, { sources: { ...turn.state.sources, [name]: source } });
  tellDisagreement(turn);
  if (count !== null && turn.policy.appSources.includes(name)) seeAlive(turn, begun);
  onRead(turn, name, sample);
}

function onPersisted(turn: Turn, save: number): void {
  patch(turn, { saved: Math.max(turn.state.saved, save) });
  // An older record than the present one: what it holds is history.
  if (save < turn.state.save) return;
  patch(turn, { saveAgainAt: null });
  alarm(turn, 'disk', null);
}

/** A second signal: no more patience. One that comes before there is an operation on disk is remembered for it. */
function onHurry(turn: Turn): void {
  const { op, candidate, pending, queue } = turn.state;
  patch(turn, { hurried: op !== null || candidate !== null || pending !== null || queue.length > 0 });
}

function hurry(turn: Turn): void {
  const { hurried, op, phase, candidate, pending, queue } = turn.state;
  if (!hurried || !isDurable(turn.state)) return;
  if (!op) return patch(turn, { hurried: candidate !== null || pending !== null || queue.length > 0 });
  patch(turn, { hurried: false });
  if (op.outcome) return;
  const force = turn.state.outing?.force;
  if (force) return patchOuting(turn, { force: { ...force, now: true } });
  const isOnTheWay = PHASES[phase].place === 'outward';
  if (isOnTheWay && (op.kind === 'stop' || op.kind === 'drain')) startForce(turn, 'hurried', true);
}

/** One stop at a time: an answer is about the one that is under way. */
function isStopping({ state }: Turn): boolean {
  return PHASES[state.phase].ending;
}
