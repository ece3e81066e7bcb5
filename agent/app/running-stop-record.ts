import type { ProcessIdentity } from '../lifecycle/model/observation.ts';
import { sleep, type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import { endGroup, type GroupLeader } from '../system/process-group.ts';
import { statusOfAll, stillAlive, untilGone } from './process-identity.ts';
import type { LaunchPorts, NoteFile } from './launch-record.ts';
import { outlivedError } from './errors.ts';

/**
 * Which process a stop command is, on disk, and which processes it is to end. The command outlives a sidecar that ends in
 * the middle of it (SIGTERM, a crash); the next one must not read the outcome before it has ended.
 */
export interface RunningStopRecord {
  /**
   * Writes down that a command is about to be launched: the application may have its SIGTERM before the process that
   * sent it is on disk, and a sidecar killed in between would leave nothing to wait for.
   */
  announce(stop: RunningStop): Promise<void>;
  /** Writes down that this process stops the application. */
  note(leader: GroupLeader, stop: RunningStop): Promise<void>;
  /**
   * Resolves once the stop that was written down last has ended, and what it was to end; at its deadline the command is
   * ended. At once where none runs.
   * @throws LastcallError `app-stop` when something that it was to end is still there at the deadline
   * @throws the signal's reason
   */
  ended(signal: AbortSignal): Promise<void>;
  /** See `RunningStop.suspects`, of the stop that was written down last. */
  suspects(): Promise<readonly ProcessIdentity[]>;
}

export interface RunningStop {
  /** Its deadline, in monotonic milliseconds of this boot. */
  readonly until: number;
  /** The processes whose ends are its end; empty where none is known. */
  readonly watched: readonly ProcessIdentity[];
  /** Where none is known: those that may be what it is to end. */
  readonly suspects: readonly ProcessIdentity[];
}

/** Which process it is is missing from before the launch until it is known. */
interface RunningStopNote extends Partial<ProcessIdentity>, Partial<RunningStop> {
  /** No process outlives its boot, and the clock of `until` is the boot's. */
  readonly boot: string;
  readonly until: number;
}

const POLL_MS = 50;
/** Between SIGTERM and SIGKILL, at the deadline. */
const GRACE_MS = 1_000;
/** A disk that hangs must not keep the stop from its result. */
const PATIENCE_MS = 2_000;
const NEVER = new AbortController().signal;

/** @param noteFile kept for the one stop of this node */
export function createRunningStopRecord(
  noteFile: NoteFile,
  { clock, bootId, onWarning }: LaunchPorts,
): RunningStopRecord {
  const warn = (error: unknown): void =>
    onWarning(`a sidecar that takes up this stop could not see that it still runs: ${messageOf(error)}`);
  const write = async (note: Omit<RunningStopNote, 'boot'>): Promise<void> => {
    const late = (): LastcallError =>
      new LastcallError('state-write', `the disk has not answered for ${PATIENCE_MS} ms`);
    await withDeadline(clock, PATIENCE_MS, NEVER, late, () => noteFile.save({ boot: bootId, ...note })).catch(
      warn,
    );
  };
  return {
    announce: write,
    async note({ pid, startTime }, stop) {
      if (startTime === null) return warn(new Error(`/proc does not show process ${pid}`));
      await write({ pid, startTime, ...stop });
    },
    async ended(signal) {
      const note = (await noteFile.load().catch(warn)) as RunningStopNote | null | undefined;
      if (note?.boot === bootId) await endOf(note, clock, signal);
    },
    async suspects() {
      const note = (await noteFile.load().catch(warn)) as RunningStopNote | null | undefined;
      return note?.boot === bootId ? (note.suspects ?? []) : [];
    },
  };
}

async function endOf(
  { pid, startTime, until, watched = [] }: RunningStopNote,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (pid !== undefined && startTime !== undefined)
    await endOfCommand({ pid, startTime }, until, { clock, signal });
  // An earlier version wrote none.
  if (await untilGone(watched, until, { clock, signal })) return;
  const pids = stillAlive(watched).map(({ pid }) => pid);
  throw outlivedError('the stop', pids, 0);
}

/** At its deadline it is ended. */
async function endOfCommand(
  leader: ProcessIdentity,
  until: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  while (statusOfAll([leader]) !== 'gone') {
    if (clock.now() >= until) return void (await endGroup(leader, GRACE_MS, clock));
    await sleep(clock, POLL_MS, signal);
  }
}
