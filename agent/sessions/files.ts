import type { Dirent } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import type { FilesSourceConfig } from '../config/source-config.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { errnoOf, LastcallError, messageOf } from '../system/error.ts';
import { matches, parseGlob, type GlobPart } from '../formats/glob.ts';
import { type WhyHidden, readSandboxMounts } from './sandbox-mounts.ts';
import { countOrThrow } from '../formats/parse-count.ts';
import type { Source } from './source.ts';

/** How many files are looked at together: enough for the kernel, and all that is in memory at a time. */
const BATCH = 64;
/**
 * A directory that takes longer than this is scanned a tenth of the time at most: 100,000 files keep a processor
 * busy for a second (measured). But no scan waits for more than ten seconds.
 */
const CHEAP_MS = 20;
const PAUSE_PER_MS = 9;
const MAX_PAUSE_MS = 10_000;

/**
 * Counts the regular files that a path with `*`, `?` and `[...]` leads to and that were changed recently: PHP writes
 * or touches a session's file at each request, and removes old ones only now and then.
 * Directories are read as streams, so that a million files take no memory. One that is not there or may not be read
 * makes the count unknown, and so does one that our own sandbox covers; of those that a pattern has found, one may have
 * gone meanwhile.
 * @throws LastcallError `config` for a path that is none
 */
export function createFilesSource(
  config: FilesSourceConfig,
  name: string,
  { clock }: { clock: Clock },
): Source {
  const { path, youngerThanMs, timeoutMs } = config;
  // Names are bytes: read as ISO 8859-1 each of them comes back as it was.
  const parts = parseGlob(Buffer.from(path).toString('latin1'));
  let costMs = 0;

  return {
    name,
    minPauseMs: () => (costMs > CHEAP_MS ? Math.min(costMs * PAUSE_PER_MS, MAX_PAUSE_MS) : 0),
    async count(signal) {
      const began = clock.now();
      const detail = (next: string) => ({ target: path, elapsedMs: clock.now() - began, next });
      const late = (): LastcallError =>
        new LastcallError(
          'failed',
          `${path}: not counted within ${timeoutMs} ms`,
          detail('give it a longer timeout, or clean the directory up'),
        );
      const since = clock.wall().getTime() - youngerThanMs;
      const counted = await withDeadline(clock, timeoutMs, signal, late, async (own) => {
        try {
          return (
            (await countIn('', parts, { since, signal: own, hidden: await readSandboxMounts() })) ?? {
              problem: 'there is no such directory',
            }
          );
        } catch (error) {
          own.throwIfAborted();
          if (error instanceof Covered) return { problem: error.message };
          return { problem: `cannot be read: ${messageOf(error)}` };
        }
      }).finally(() => (costMs = clock.now() - began));
      return countOrThrow(
        counted,
        detail(
          'let this user read the directory (deploy/systemd/lastcall.service shows how), or set path right',
        ),
      );
    },
  };
}

interface FilesQuery {
  /** Files changed before this do not count, in milliseconds of calendar time. */
  readonly since: number;
  readonly signal: AbortSignal;
  readonly hidden: WhyHidden;
}

/** The error for a directory whose files are not the application's. */
class Covered extends Error {}

/** @returns null when there is no such directory */
async function countIn(
  directory: string,
  [part, ...below]: readonly GlobPart[],
  look: FilesQuery,
): Promise<number | null> {
  if (part === undefined) return null;
  if (typeof part === 'string' && below.length > 0) return countIn(`${directory}/${part}`, below, look);
  const entries = await openDirectory(directory, look.hidden);
  if (entries === null) return null;
  let total = below.length > 0 ? null : 0;
  for await (const names of batches(entries, part)) {
    look.signal.throwIfAborted();
    const counts =
      below.length > 0
        ? await oneByOne(names, (name) => countIn(`${directory}/${name}`, below, look))
        : await Promise.all(names.map((name) => countFile(`${directory}/${name}`, look.since)));
    for (const count of counts) if (count !== null) total = (total ?? 0) + count;
  }
  return total;
}

/** One directory of a pattern after the other: each is a stream that holds a descriptor. */
async function oneByOne<T>(names: readonly string[], work: (name: string) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (const name of names) results.push(await work(name));
  return results;
}

/** @throws Covered */
async function openDirectory(directory: string, hidden: WhyHidden): Promise<AsyncIterable<Dirent> | null> {
  const why = await hidden(bytes(`${directory}/`));
  if (why !== null) throw new Covered(why);
  try {
    return await opendir(bytes(`${directory}/`), { encoding: 'latin1', bufferSize: BATCH });
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** The names that match, some at a time. */
async function* batches(entries: AsyncIterable<Dirent>, part: GlobPart): AsyncGenerator<string[]> {
  let names: string[] = [];
  for await (const { name } of entries) {
    if (typeof part === 'string' ? name !== part : !matches(part, name)) continue;
    names.push(name);
    if (names.length < BATCH) continue;
    yield names;
    names = [];
  }
  if (names.length > 0) yield names;
}

/** @returns 1 for a regular file that is young enough; 0 for any other, also for one that has gone meanwhile */
async function countFile(path: string, since: number): Promise<number> {
  try {
    const about = await stat(bytes(path));
    return about.isFile() && about.mtimeMs > since ? 1 : 0;
  } catch (error) {
    if (isAbsent(error)) return 0;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '');
}

function bytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}
