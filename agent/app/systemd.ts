import type { UnitConfig } from '../config/config.ts';
import type { ProcessIdentity, Proof, Unproven } from '../lifecycle/model/observation.ts';
import { sleep, type Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { startTimeOf } from '../system/process.ts';
import { statusOfAll, processesOf } from './process-identity.ts';
import { hiddenError } from './errors.ts';
import type { Starter, Stopper, StopOutcome } from './contracts.ts';
import {
  askRight,
  failure,
  processesIn,
  queueJob,
  unitState,
  type UnitPorts,
  type UnitRole,
  type UnitState,
} from './systemd-unit.ts';

/** Between two questions to systemd while a unit stops or starts. */
const POLL_MS = 200;
/** States from which a unit does not come back by itself. */
const ENDED: readonly string[] = ['inactive', 'failed'];

/**
 * Stops the application as a unit of systemd. The right to do so is asked for before anything is changed; the job
 * goes on when lastcall ends, and may be asked for again. Its end is that of the unit's main process (where systemd
 * names none, of all processes in its control group), and a unit that systemd reports as inactive.
 */
export function createSystemdStopper({ unit, timeoutMs }: UnitConfig, ports: UnitPorts): Stopper {
  const { clock } = ports;
  const { look, last } = createUnitLook(unit, ports);
  return {
    isIdempotent: true,
    proves: true,
    gone: (proof) =>
      proof === null ? (last.isAbsent ? 'gone' : 'unknown') : statusOfAll(processesOf(proof)),
    async check(signal) {
      signal.throwIfAborted();
      const state = await look(signal);
      if (last.isAbsent)
        throw failure(unit, 'stop', `${unit} is ${state.active}: nothing of it runs`, START_IT);
      await askRight(unit, 'stop', ports, signal);
      return proofOf(unit, state);
    },
    async find(signal) {
      signal.throwIfAborted();
      // Asked several times a second, for as long as the application is away.
      if (last.group !== null && processesIn(last.group).length === 0)
        throw failure(unit, 'stop', `nothing runs in ${last.group}`, START_IT);
      return proofOf(unit, await look(signal));
    },
    async stop(proof, signal): Promise<StopOutcome> {
      signal.throwIfAborted();
      const until = clock.now() + timeoutMs;
      const before = await look(signal);
      if (last.isAbsent && statusOfAll(processesOf(proof)) === 'gone') return { how: 'gone', warnings: [] };
      const watched = [...processesOf(proof), ...processesOfUnit(before)];
      await queueJob(unit, 'stop', ports, signal);
      const { result } = await ended({ unit, timeoutMs }, look, { watched, until, clock, signal });
      return { how: 'systemd', warnings: result === 'timeout' ? [killedWarning(unit)] : [] };
    },
    async rejoin(signal) {
      const until = clock.now() + timeoutMs;
      for (;;) {
        const { active, hasJob } = await look(signal);
        if (active !== 'deactivating' && !hasJob) return;
        if (clock.now() >= until) return;
        await sleep(clock, POLL_MS, signal);
      }
    },
  };
}

type UnitLook = (signal: AbortSignal) => Promise<UnitState>;

/** What the last look at a unit has shown. */
interface LastLook {
  /** It has ended, and no process of it is left. */
  isAbsent: boolean;
  group: string | null;
}

function createUnitLook(
  unit: string,
  ports: UnitPorts,
): { readonly look: UnitLook; readonly last: LastLook } {
  const last: LastLook = { isAbsent: false, group: null };
  const look: UnitLook = async (signal) => {
    last.isAbsent = false;
    const state = await unitState(unit, 'stop', ports, signal);
    checkLoaded(unit, 'stop', state);
    last.group = state.group;
    last.isAbsent = ENDED.includes(state.active) && !state.hasJob && processesOfUnit(state).length === 0;
    return state;
  };
  return { look, last };
}

/** Waits for the end of a job that is under way, and of the processes. @param terms `until` in monotonic milliseconds */
async function ended(
  { unit, timeoutMs }: UnitConfig,
  look: UnitLook,
  terms: { watched: readonly ProcessIdentity[]; until: number; clock: Clock; signal: AbortSignal },
): Promise<UnitState> {
  const { watched, until, clock, signal } = terms;
  for (;;) {
    const state = await look(signal);
    const isOver = ENDED.includes(state.active) && !state.hasJob;
    const left = state.mainPid === null ? processesIn(state.group) : [];
    if (isOver && left.length === 0 && statusOfAll(watched) === 'gone') return state;
    if (state.active === 'active' && !state.hasJob) throw startedAgain(unit);
    if (clock.now() >= until) throw outlasted(unit, state, timeoutMs);
    await sleep(clock, POLL_MS, signal);
  }
}

/**
 * Starts the application as a unit of systemd. It returns when the unit is active, or its main process runs and only
 * what the unit does after that is left: an `ExecStartPost=` may wait for us.
 */
export function createSystemdStarter({ unit, timeoutMs }: UnitConfig, ports: UnitPorts): Starter {
  const { clock } = ports;
  return {
    async check(signal) {
      signal.throwIfAborted();
      checkLoaded(unit, 'start', await unitState(unit, 'start', ports, signal));
      await askRight(unit, 'start', ports, signal);
    },
    async start(signal) {
      const until = clock.now() + timeoutMs;
      await queueJob(unit, 'start', ports, signal);
      for (;;) {
        const state = await unitState(unit, 'start', ports, signal);
        if (state.active === 'active' || (state.active === 'activating' && state.sub === 'start-post'))
          return;
        if (ENDED.includes(state.active) && !state.hasJob) throw notStarted(unit, state);
        if (clock.now() >= until) throw notStarted(unit, state, timeoutMs);
        await sleep(clock, POLL_MS, signal);
      }
    },
  };
}

/** The unit's main process, or all of its processes where systemd names no main one. */
function processesOfUnit({ mainPid, group }: UnitState): ProcessIdentity[] {
  if (mainPid === null) return processesIn(group);
  const startTime = startTimeOf(mainPid);
  return startTime === null ? [] : [{ pid: mainPid, startTime }];
}

function proofOf(unit: string, state: UnitState): Proof | Unproven {
  const [first, ...others] = processesOfUnit(state);
  if (first !== undefined) return { ...first, ...(others.length > 0 ? { others } : {}) };
  // It has a process, and /proc does not show it: so its end would not be seen either.
  if (state.mainPid !== null) throw hiddenError(state.mainPid);
  const unproven = `${unit} is ${state.active} (${state.sub}) and has no process whose end could be seen`;
  return { code: 'app-stop', unproven };
}

function checkLoaded(unit: string, role: UnitRole, { load }: UnitState): void {
  if (load === 'loaded') return;
  const what = load === 'not-found' ? 'systemd has no such unit' : `systemd calls it ${load}`;
  throw failure(
    unit,
    role,
    `${unit}: ${what}`,
    `write the name of the application's unit to app.${role}.systemd`,
  );
}

const START_IT = 'start it, or see that app.stop.systemd names the unit that runs the application';

function startedAgain(unit: string): LastcallError {
  return failure(
    unit,
    'stop',
    `${unit} is active again: it was stopped, and an operator has started it`,
    'see what starts it, then `lastcall stop`',
  );
}

function outlasted(unit: string, { active, sub }: UnitState, timeoutMs: number): LastcallError {
  return new LastcallError('app-stop', `${unit} is still ${active} (${sub})`, {
    target: unit,
    elapsedMs: timeoutMs,
    next: 'give app.stop a timeout longer than the TimeoutStopSec of the unit, or end it by hand',
  });
}

function notStarted(unit: string, { active, sub, result }: UnitState, elapsedMs = 0): LastcallError {
  return new LastcallError('app-health', `${unit} did not start: it is ${active} (${sub}, ${result})`, {
    target: unit,
    elapsedMs,
    next: `see \`journalctl -u ${unit}\``,
  });
}

function killedWarning(unit: string): string {
  return `${unit} did not end within its TimeoutStopSec, and systemd killed it`;
}
