import type { Journal } from '../journal/journal.ts';
import type { Result } from '../lifecycle/model/api.ts';
import type { StateRecord } from '../lifecycle/model/record.ts';
import type { LastRuns } from './last-runs.ts';
import { type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';

/** What is written to disk: the record, and the boot whose clock its times are of. */
export interface PersistedFile {
  readonly boot: string;
  readonly record: StateRecord;
  /** Settings of the application that were changed for the outing, as they were found. */
  readonly found: Readonly<Record<string, string>>;
  /** How the last operations ended, oldest first, for callers who wait over a crash; absent in an older file. */
  readonly results?: readonly Result[];
  /** When the machine was rebooted last by the calendar, by its entry (last-runs.ts); absent in an older file. */
  readonly runs?: Readonly<Record<string, number>>;
}

/** The one writer of the state file: the record that the lifecycle asked for last, and what the engine keeps beside it. */
export interface StateFile {
  /**
   * Reads the file, once, at the start.
   * @returns what it holds (null = nothing), and why it could not be believed (null = it could)
   * @throws LastcallError `state-write` when it cannot be read or does not answer; the signal's reason
   */
  load(signal: AbortSignal): Promise<{ readonly file: PersistedFile | null; readonly alarm: string | null }>;
  /**
   * Keeps `record` in place of the one before.
   * @throws LastcallError `state-write` when it is not durable, after 10 s at the latest
   */
  save(record: StateRecord): Promise<void>;
  /**
   * Keeps a result beside the record. Resolves once it is durable, or cannot be: a disk that fails keeps no caller
   * waiting for longer than 10 s. Never rejects. Without a record nothing was ever done here, and nothing is written.
   */
  keep(result: Result): Promise<void>;
}

export interface StateFilePorts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly bootId: string;
  readonly found: () => PersistedFile['found'];
  readonly lastRuns: LastRuns;
}

/** Far above the slowest fsync of a disk that works. */
const DISK_PATIENCE_MS = 10_000;
/** What is on its way to the disk gets there even while we are ending. */
const NEVER = new AbortController().signal;
/** A few callers at most wait over one crash, and every save writes them all. */
const KEPT_RESULTS = 16;

export function createStateFile({ clock, journal, bootId, found, lastRuns }: StateFilePorts): StateFile {
  let last: StateRecord | null = null;
  let results: readonly Result[] = [];

  const write = async (record: StateRecord): Promise<void> => {
    const late = (): LastcallError =>
      new LastcallError('state-write', 'the disk does not answer', { elapsedMs: DISK_PATIENCE_MS });
    const file: PersistedFile = { boot: bootId, record, found: found(), results, runs: lastRuns.all };
    // A disk that hangs is a disk that fails: an operation must end all the same.
    await withDeadline(clock, DISK_PATIENCE_MS, NEVER, late, () => journal.save(file));
  };

  return {
    async load(signal) {
      const loaded = await journal.load(signal);
      if (loaded.kind === 'quarantined') {
        const { reason, movedTo } = loaded;
        const alarm = `the state file could not be believed (${reason}); it was moved to ${movedTo}`;
        return { file: null, alarm };
      }
      const file = loaded.kind === 'record' ? (loaded.record as PersistedFile) : null;
      last = file?.record ?? null;
      results = file?.results ?? [];
      lastRuns.resume(file?.runs ?? {});
      return { file, alarm: null };
    },
    save(record) {
      last = record;
      return write(record);
    },
    async keep(result) {
      results = [...results.filter(({ id }) => id !== result.id), result].slice(-KEPT_RESULTS);
      // The record that the lifecycle asked for last, and not the present state, of which a part may not be promised yet.
      if (last !== null) await write(last).catch(() => undefined); // Its alarm is that of the next record.
    },
  };
}
