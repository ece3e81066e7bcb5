import { type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { LaunchPorts, NoteFile } from './launch-record.ts';

/** When a version of a pid file was written, as it was taken when a sidecar saw that version first. */
export interface PidFileRecord {
  readonly version: string;
  /** The boot of the machine whose clock `writtenAt` is of; no process outlives it. */
  readonly boot: string;
  /** Milliseconds since boot; null = unknown, because the calendar was set back since. */
  readonly writtenAt: number | null;
}

/** The first sight of the pid file, beside the record: a step of the calendar between two sidecars changes nothing of it. */
export interface PidFileRecords {
  readonly boot: string;
  /** The last one that was kept; null = none. */
  last(): PidFileRecord | null;
  /** Keeps the record: at once for this sidecar, and for the next one as soon as the disk has it. */
  keep(record: PidFileRecord): void;
}

/** Where there is no disk to keep it on (direct mode): it lasts as long as we do. */
export function createPidFileRecords(boot: string): PidFileRecords {
  let last: PidFileRecord | null = null;
  return { boot, last: () => last, keep: (record) => void (last = record) };
}

/** A disk that hangs delays the sidecar by no more than this. */
const PATIENCE_MS = 2_000;

/**
 * Reads what the sidecar before us has seen. A disk that fails is a warning: the file is then seen first by us.
 * @param noteFile kept for the one pid file of this node
 */
export async function openPidFileRecords(
  noteFile: NoteFile,
  { clock, bootId, onWarning }: LaunchPorts,
): Promise<PidFileRecords> {
  const warn = (error: unknown): void =>
    onWarning(`a step of the calendar may make the pid file look older or newer: ${messageOf(error)}`);
  let last = await within(clock, () => noteFile.load()).then(recordIn, (error: unknown) => {
    warn(error);
    return null;
  });
  return {
    boot: bootId,
    last: () => last,
    keep(record) {
      last = record;
      void within(clock, () => noteFile.save(record)).catch(warn);
    },
  };
}

function within<T>(clock: Clock, run: () => Promise<T>): Promise<T> {
  const late = (): LastcallError =>
    new LastcallError('state-write', `the disk has not answered for ${PATIENCE_MS} ms`);
  return withDeadline(clock, PATIENCE_MS, new AbortController().signal, late, run);
}

function recordIn(note: unknown): PidFileRecord | null {
  const { version, boot, writtenAt } = (note ?? {}) as Partial<PidFileRecord>;
  if (typeof version !== 'string' || typeof boot !== 'string') return null;
  return { version, boot, writtenAt: typeof writtenAt === 'number' ? writtenAt : null };
}
