import {
  admit,
  onAppAbsent,
  onCommandChecked,
  onLifeOfAbsent,
  onPersistFailed,
  onCheckFailed,
  onSurveyed,
  saveAgain,
} from './admission/preflight.ts';
import { onStarted, onStartFailed, warming } from './phases/return.ts';
import { returning, serving, unhealthy } from './phases/read-back.ts';
import { onAppBack, onAppGone, onProbed, noteAppAlive } from './phases/app-events.ts';
import { onCancel } from './phases/cancel.ts';
import { noteCapacity, endGuardAlarm } from './phases/capacity.ts';
import { sessionCount } from './observed/counts.ts';
import { isHolding } from './model/desired.ts';
import { answerAfter, warnMismatch } from './observed/source-mismatch.ts';
import type { Effect } from './model/effect.ts';
import type { Event } from './model/event.ts';
import { advanceExpiry } from './phases/expiry.ts';
import { onGateSet, advanceGate } from './phases/gate.ts';
import { isHealthy } from './observed/health.ts';
import { advanceHold } from './phases/hold.ts';
import { runDueWarnings } from './phases/deadline-warnings.ts';
import type { Phase } from './model/api.ts';
import { onRebootAsked, onRebootRefused, rebooting } from './phases/reboot.ts';
import { draining, fencing, refence, reopen, settling } from './phases/drain.ts';
import { drained, failStop, onStopAnswered } from './phases/stop.ts';
import { NEW_OUTING, type Outing } from './model/outing.ts';
import { isOut, PHASES } from './model/phase.ts';
import { advanceRamps, onSetWeightFailed, onWeightSet } from './phases/ramp.ts';
import { onConnectionsClosed, startForce } from './phases/force-close.ts';
import type { Policy } from './model/policy.ts';
import { acknowledge, recordNow } from './admission/proposal.ts';
import { onBooted, onStopChecked, recovering, starting } from './recovery/recover.ts';
import { onRead, advanceReading } from './admission/readable.ts';
import { onUnprovenEndChecked } from './observed/unproven-end.ts';
import { advanceRecordedEnd, onRecordedEndSeen } from './observed/recorded-end.ts';
import { onSubmit, processQueue } from './admission/requests.ts';
import { onPolled, onPollFailed, onServerSet, onSetServerFailed } from './sync/reconcile.ts';
import { advanceDeadHolders, onHolderFreed, onHolderRead } from './phases/dead-holders.ts';
import { advanceSlot, onLockAnswered, onLockFailed } from './phases/slot.ts';
import { advanceWaiting } from './admission/slot-request.ts';
import { advanceSignOut } from './phases/sign-out.ts';
import type { State } from './model/state.ts';
import type { SourceState } from './model/server-state.ts';
import { surveyReloaded } from './observed/surroundings.ts';
import { alarm, emit, type EventOf, isDurable, patch, patchOuting, type Draft, warn } from './step-draft.ts';
import { reconcile } from './sync/next-write.ts';

/**
 * The lifecycle: what was decided, what is known, what happened -> what is known now, and what is to be done.
 * A pure function: no clock, no socket, no thrown error; the same events give the same states and effects.
 * @param event carries the time at which it happened, in monotonic milliseconds
 */
export function step(policy: Policy, state: State, event: Event): readonly [State, readonly Effect[]] {
  const draft: Draft = { policy, at: event.at, state: { ...state, now: event.at }, effects: [] };
  handle(draft, event);
  advance(draft);
  if (draft.state.save > state.save)
    emit(draft, { type: 'persist', save: draft.state.save, record: recordNow(draft) });
  return [draft.state, draft.effects];
}

/** The handler of each event. */
const HANDLERS: { readonly [T in Event['type']]: (draft: Draft, event: EventOf<T>) => void } = {
  booted: onBooted,
  tick: () => undefined,
  submit: (draft, { request }) => onSubmit(draft, request),
  cancel: onCancel,
  'force-now': onForceNow,
  polled: (draft, event) => {
    onPolled(draft, event);
    noteCapacity(draft, event);
  },
  'poll-failed': onPollFailed,
  counted: (draft, { source, count, startedAt, at }) =>
    onCounted(draft, source, { count, error: null, startedAt, at }),
  'count-failed': (draft, { source, error, startedAt, at }) =>
    onCounted(draft, source, { count: null, error, startedAt, at }),
  probed: onProbed,
  persisted: (draft, { save }) => onPersisted(draft, save),
  'persist-failed': onPersistFailed,
  surveyed: onSurveyed,
  'command-checked': onCommandChecked,
  'app-absent': onAppAbsent,
  'check-failed': onCheckFailed,
  'server-set': onServerSet,
  'set-server-failed': onSetServerFailed,
  'weight-set': onWeightSet,
  'set-weight-failed': onSetWeightFailed,
  'connections-closed': onConnectionsClosed,
  stopped: (draft, event) => (isStopping(draft) ? onStopAnswered(draft, event) : undefined),
  'stop-failed': (draft, { error }) => (isStopping(draft) ? failStop(draft, 'app-stop', error) : undefined),
  'stop-checked': onStopChecked,
  started: (draft, { proof }) => onStarted(draft, proof),
  'start-failed': (draft, { error }) => onStartFailed(draft, error),
  'reboot-asked': onRebootAsked,
  'reboot-refused': onRebootRefused,
  'gate-set': onGateSet,
  'warning-sent': onWarningSent,
  'lock-answered': onLockAnswered,
  'lock-failed': onLockFailed,
  'holder-read': onHolderRead,
  'holder-freed': onHolderFreed,
  'app-gone': onAppGone,
  life: (draft, event) => {
    onLifeOfAbsent(draft, event);
    onUnprovenEndChecked(draft, event);
    onRecordedEndSeen(draft, event);
  },
  'app-back': (draft, { proof }) => onAppBack(draft, proof),
};

function handle<T extends Event['type']>(draft: Draft, event: EventOf<T>): void {
  HANDLERS[event.type as T](draft, event);
}

function onWarningSent(draft: Draft, { warningIndex, error }: EventOf<'warning-sent'>): void {
  if (error !== null)
    warn(draft, `warn hook ${warningIndex + 1}`, `warn hook ${warningIndex + 1} failed: ${error}`);
}

const RUN: Readonly<Record<Phase, (draft: Draft, outing: Outing) => void>> = {
  starting,
  recovering,
  serving,
  unhealthy,
  draining,
  settling,
  fencing,
  drained,
  stopping: () => undefined,
  stopped: rebooting,
  warming,
  returning,
  failed: () => undefined,
};

/** What follows from it: phases until nothing moves, then the requests that wait, then what the levels ask for. */
function advance(draft: Draft): void {
  rememberSessions(draft);
  acknowledge(draft);
  saveAgain(draft);
  advanceRamps(draft);
  let before: State;
  do {
    before = draft.state;
    forceNow(draft);
    advanceRecordedEnd(draft);
    reopen(draft);
    refence(draft);
    runPhase(draft);
    advanceHold(draft);
    advanceExpiry(draft);
    advanceSignOut(draft);
    advanceReading(draft);
    admit(draft);
    advanceWaiting(draft);
    processQueue(draft);
  } while (draft.state.phase !== before.phase || draft.state.queue.length < before.queue.length);
  runDueWarnings(draft);
  advanceGate(draft);
  endGuardAlarm(draft);
  reconcile(draft);
  surveyReloaded(draft);
  advanceSlot(draft);
  advanceDeadHolders(draft);
}

/** A hold outranks every operation: while it keeps the node out no phase moves on. */
function runPhase(draft: Draft): void {
  const { phase, outing } = draft.state;
  if (isHolding(draft.state) && isOut(phase)) return;
  RUN[phase](draft, outing ?? NEW_OUTING);
}

/** The count at the beginning is the first one that was asked for the operation. */
function rememberSessions(draft: Draft): void {
  const { op } = draft.state;
  if (!op || op.sessionsStart !== null) return;
  const sessions = sessionCount(
    draft.policy,
    draft.state,
    Math.max(op.startedAt, draft.state.epochStartedAt),
  );
  if (sessions !== null) patch(draft, { op: { ...op, sessionsStart: sessions } });
}

type Count = Pick<SourceState, 'count' | 'error' | 'startedAt' | 'at'>;

function onCounted(draft: Draft, name: string, sample: Count): void {
  const known = draft.state.sources[name];
  if (!known || sample.startedAt < known.startedAt) return;
  const { count, error, startedAt, at } = sample;
  if (error !== null && known.error === null) {
    // An application that is not up has no answer yet; once it is up, `onProbed` logs the failure.
    const level = isHealthy(draft) ? 'warn' : 'info';
    emit(draft, { type: 'log', level, text: `${name}: ${error}` });
  }
  const changedAt = count === known.count ? known.changedAt : draft.at;
  const source = { count, error, startedAt, at, changedAt, ...answerAfter(known, count, draft.at) };
  patch(draft, { sources: { ...draft.state.sources, [name]: source } });
  warnMismatch(draft);
  if (count !== null && draft.policy.appSources.includes(name)) noteAppAlive(draft, startedAt);
  onRead(draft, name, sample);
}

function onPersisted(draft: Draft, save: number): void {
  patch(draft, { saved: Math.max(draft.state.saved, save) });
  // An older record than the present one: what it holds is history.
  if (save < draft.state.save) return;
  patch(draft, { saveAgainAt: null });
  alarm(draft, 'disk', null);
}

/** A second signal: no more patience. One that comes before there is an operation on disk is remembered for it. */
function onForceNow(draft: Draft): void {
  const { op, candidate, pending, queue } = draft.state;
  patch(draft, { forceRequested: op !== null || candidate !== null || pending !== null || queue.length > 0 });
}

function forceNow(draft: Draft): void {
  const { forceRequested, op, phase, candidate, pending, queue } = draft.state;
  if (!forceRequested || !isDurable(draft.state)) return;
  if (!op)
    return patch(draft, { forceRequested: candidate !== null || pending !== null || queue.length > 0 });
  patch(draft, { forceRequested: false });
  if (op.outcome) return;
  const force = draft.state.outing?.force;
  if (force) return patchOuting(draft, { force: { ...force, now: true } });
  const isOnTheWay = PHASES[phase].place === 'outward';
  if (isOnTheWay && (op.kind === 'stop' || op.kind === 'drain')) startForce(draft, 'hurried', true);
}

/** One stop at a time: an answer is about the one that is under way. */
function isStopping({ state }: Draft): boolean {
  return PHASES[state.phase].ending;
}
