import type { LaunchPorts, NoteFile } from '../app/launch-record.ts';
import { type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';

/** Where an entry of the calendar stands; both in milliseconds since 1970. */
export interface DueRun {
  /** Its next run: once that is over and the entry is still here, no sidecar has come to it. */
  readonly next: number;
  /** The run that was missed last, until one begins; null = none was. */
  readonly missed: number | null;
}

/**
 * The next run of each entry of the calendar, beside the record: what is over when the next sidecar begins was missed, since
 * no sidecar ran at its time, or the one that ran was killed while the run waited for its jitter.
 */
export interface DueRuns {
  /** @returns null for an entry that no sidecar has kept yet */
  of(entry: string): DueRun | null;
  /**
   * Keeps `entries` in place of their former values. Never rejects: where the disk fails, the next sidecar may report a run as missed that
   * was not. Resolves when the disk has them, or has not answered for two seconds.
   */
  keep(entries: Readonly<Record<string, DueRun>>): Promise<void>;
  /** As `keep`, and forgets all other entries. */
  reset(entries: Readonly<Record<string, DueRun>>): Promise<void>;
}

/** A disk that hangs delays the beginning of a run by no more than this. */
const PATIENCE_MS = 2_000;

/** Where there is no calendar to keep (a substitute of the sidecar), and no disk. */
export function createDueRuns(save: (all: object) => Promise<void> = async () => undefined): DueRuns {
  return dueRuns({}, save);
}

/**
 * Reads what the sidecar before us has kept. A disk that fails is a warning: then no run is reported as missed.
 * @param noteFile kept for the calendar of this node
 */
export async function openDueRuns(
  noteFile: NoteFile,
  { clock, onWarning }: Pick<LaunchPorts, 'clock' | 'onWarning'>,
): Promise<DueRuns> {
  const warn = (error: unknown): void =>
    onWarning(
      `runs of the calendar may be reported as missed that were not, or not be reported: ${messageOf(error)}`,
    );
  const all = await within(clock, () => noteFile.load()).then(dueRunsIn, (error: unknown) => {
    warn(error);
    return {};
  });
  let last = Promise.resolve();
  const write = async (before: Promise<void>, next: DueEntries): Promise<void> => {
    await before;
    await within(clock, () => noteFile.save(next));
  };
  return dueRuns(all, (next) => {
    last = write(last, next).catch(warn);
    return last;
  });
}

type DueEntries = Readonly<Record<string, DueRun>>;

function dueRuns(found: DueEntries, save: (all: DueEntries) => Promise<void>): DueRuns {
  let all = found;
  const reset = async (entries: DueEntries): Promise<void> => {
    const isEmpty = Object.keys({ ...all, ...entries }).length === 0;
    all = entries;
    if (!isEmpty) await save(all);
  };
  return {
    of: (entry) => (Object.hasOwn(all, entry) ? (all[entry] ?? null) : null),
    keep: (entries) => reset({ ...all, ...entries }),
    reset,
  };
}

function within<T>(clock: Clock, run: () => Promise<T>): Promise<T> {
  const late = (): LastcallError =>
    new LastcallError('state-write', `the disk has not answered for ${PATIENCE_MS} ms`);
  return withDeadline(clock, PATIENCE_MS, new AbortController().signal, late, run);
}

/** Without entries that cannot be read: each of them counts as new. */
function dueRunsIn(note: unknown): DueEntries {
  const entries = Object.entries((note ?? {}) as Readonly<Record<string, unknown>>);
  return Object.fromEntries(
    entries.flatMap(([entry, value]) => {
      const { next, missed = null } = (value ?? {}) as { readonly next?: unknown; readonly missed?: unknown };
      return isTime(next) && (missed === null || isTime(missed)) ? [[entry, { next, missed }]] : [];
    }),
  );
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && !Number.isNaN(new Date(value).getTime());
}
