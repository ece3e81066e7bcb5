import { dirname } from 'node:path';
import { type Clock, realClock, withDeadline } from '../system/clock.ts';
import { LastcallError, errnoOf, messageOf } from '../system/error.ts';
import { seal, unseal } from './envelope.ts';
import { kindOf, moveAside, previousOf, readTrusted, removeLeftovers, replaceFile } from './files.ts';
import { unanswered } from './silent-disk.ts';

/** What was on disk at the start. */
export type LoadedRecord =
  /** Nothing: this node has never had an operation. */
  | { readonly kind: 'none' }
  | { readonly kind: 'record'; readonly record: unknown }
  /** A file that cannot be believed: nothing was taken from it, and it was moved to `movedTo`. */
  | { readonly kind: 'quarantined'; readonly reason: string; readonly movedTo: string };

/**
 * One node's record on disk: whole or rejected, and durable before a caller gets a promise that depends on it (I8).
 */
export interface Journal {
  /**
   * Reads the record, once, at the start and under the node's lock (it removes what a save cut short by a crash has
   * left). A file that is empty, cut, overwritten, another node's, of another schema, no regular file, longer
   * than 1 MiB, or that another user than root and us may have written, is renamed
   * to `PATH.bad-N`, never deleted. The caller must then save a record of its own before it relies on anything.
   *
   * `PATH.prev`, the record before the last save, is for people: it is never read as the truth. A save leaves the
   * old or the new record at PATH at every instant, so PATH broken or gone means damage or a hand, and the record
   * before it may be from before the stop was issued: taking it would stop the application twice (I6). PATH gone
   * with a `.prev` beside it is therefore quarantined too, and not `none`.
   * @throws LastcallError `state-write` when the directory cannot be read, the file not be moved, or the file system has
   *   not answered for 1.2 s; the signal's reason
   */
  load(signal: AbortSignal): Promise<LoadedRecord>;

  /**
   * Keeps `record` (plain JSON values) in place of the one before. Resolves when it or a newer one is durable: of
   * several saves that wait for a running one only the newest is written.
   * @throws LastcallError `state-write`; the file then holds the old record or the new one, whole
   */
  save(record: object): Promise<void>;
}

/** A disk that works answers in milliseconds; a start that cannot succeed ends within two seconds (INVARIANTS.md#other-promises). */
const LOAD_MS = 1_200;

/** The journal of `node` at `path`; a missing parent directory is made, mode 0700, by the first save. */
export function createJournal(
  path: string,
  { node }: { readonly node: string },
  clock: Clock = realClock,
): Journal {
  let last: Promise<void> = Promise.resolve();
  let waiting: Waiting | null = null;

  const enqueue = (text: string): Waiting => {
    const write = (): Promise<void> => {
      waiting = null;
      return withFileError(path, 'written', () => replaceFile(path, entry.text));
    };
    // A failed save is its own caller's error; the next one is tried all the same.
    last = last.then(write, write);
    const entry: Waiting = { text, done: last };
    return entry;
  };

  return {
    load: (signal) =>
      withDeadline(
        clock,
        LOAD_MS,
        signal,
        () => unanswered(path, LOAD_MS),
        () => withFileError(path, 'read', () => load(path, node)),
      ),
    async save(record) {
      const text = seal(node, record);
      waiting ??= enqueue(text);
      waiting.text = text;
      await waiting.done;
    },
  };
}

/** A save whose writing has not begun: a newer record takes its place. */
interface Waiting {
  text: string;
  readonly done: Promise<void>;
}

async function load(path: string, node: string): Promise<LoadedRecord> {
  await removeLeftovers(path);
  const kind = await kindOf(path);
  if (kind === 'missing') return loadMissing(path);
  if (kind === 'odd') return quarantine(path, path, 'it is not a regular file');
  const read = await readTrusted(path);
  if ('distrusted' in read) return quarantine(path, path, read.distrusted);
  const opened = unseal(node, read.text);
  return opened.whole ? { kind: 'record', record: opened.record } : quarantine(path, path, opened.reason);
}

async function loadMissing(path: string): Promise<LoadedRecord> {
  const previous = previousOf(path);
  if ((await kindOf(previous)) === 'missing') return { kind: 'none' };
  return quarantine(previous, path, `it is gone, but ${previous} is there`);
}

async function quarantine(from: string, path: string, why: string): Promise<LoadedRecord> {
  const movedTo = await moveAside(from, path);
  return { kind: 'quarantined', reason: `state file ${path} is not believed: ${why}`, movedTo };
}

/** Runs `work`; an error of the system becomes one with the file, the failed action, and the next step. */
async function withFileError<T>(path: string, what: 'read' | 'written', work: () => Promise<T>): Promise<T> {
  const start = realClock.now();
  try {
    return await work();
  } catch (cause) {
    throw new LastcallError('state-write', `the state file cannot be ${what}: ${messageOf(cause)}`, {
      target: path,
      elapsedMs: realClock.now() - start,
      next: nextStep(path, errnoOf(cause)),
      cause,
    });
  }
}

function nextStep(path: string, errno: string | undefined): string {
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return `free space on the file system of ${path}`;
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS') {
    return `let lastcall's user write to ${dirname(path)}, or set \`state\` to another place`;
  }
  return `see that ${dirname(path)} is a directory on a file system with hard links, or set \`state\` to another place`;
}
