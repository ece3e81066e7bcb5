import type { Proof } from '../lifecycle/view.ts';
import { sleep, type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import { endGroup, type Leader } from '../system/group.ts';
import { aliveness } from '../system/process.ts';
import type { LaunchPorts, Notebook } from './launches.ts';

/**
 * Which process a stop command is, on disk. The command outlives a sidecar that ends in the middle of it (SIGTERM, a
 * crash); the next one must not read the outcome before it has ended.
 */
export interface RunningStops {
  /**
   * Writes down that this process stops the application.
   * @param until its deadline, in monotonic milliseconds of this boot
   */
  note(leader: Leader, until: number): Promise<void>;
  /**
   * Resolves once the stop that was written down last has ended; at its deadline it is ended. At once where none runs.
   * @throws the signal's reason
   */
  ended(signal: AbortSignal): Promise<void>;
}

interface Note extends Proof {
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

/** @param notebook kept for the one stop of this node */
export function createRunningStops(
  notebook: Notebook,
  { clock, bootId, onWarning }: LaunchPorts,
): RunningStops {
  const warn = (error: unknown): void =>
    onWarning(`a sidecar that takes up this stop would not know that it still runs: ${messageOf(error)}`);
  return {
    async note({ pid, startTime }, until) {
      if (startTime === null) return warn(new Error(`/proc does not show process ${pid}`));
      const note: Note = { boot: bootId, pid, startTime, until };
      const late = (): LastcallError =>
        new LastcallError('state-write', `the disk has not answered for ${PATIENCE_MS} ms`);
      await withDeadline(clock, PATIENCE_MS, NEVER, late, () => notebook.save(note)).catch(warn);
    },
    async ended(signal) {
      const note = (await notebook.load().catch(warn)) as Note | null | undefined;
      if (note?.boot === bootId) await endOf(note, clock, signal);
    },
  };
}

async function endOf(note: Note, clock: Clock, signal: AbortSignal): Promise<void> {
  while (aliveness(note.pid, note.startTime) !== 'gone') {
    if (clock.now() >= note.until) return void (await endGroup(note, GRACE_MS, clock));
    await sleep(clock, POLL_MS, signal);
  }
}
