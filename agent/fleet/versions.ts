import { constants } from 'node:fs';
import { chmod, type FileHandle, link, lstat, mkdir, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, LastcallError, messageOf } from '../system/error.ts';
import { randomId } from '../system/random-id.ts';
import { removeFile } from '../system/remove-file.ts';

/**
 * A text that several processes of one machine replace by comparison: a directory of numbered files, of which the one
 * with the highest number counts. The next one is written beside it and gets its number by link(2), which only one of
 * several can; so a lock file, whose holder may die, is not needed. What is read is always whole.
 */

/** One version of the text; number 0 and null = there is none yet. */
export interface Version {
  readonly number: number;
  readonly text: string | null;
}

/** A version that cannot be read, or that no lastcall has written. */
export class UnreadableVersion extends Error {
  override readonly name = 'UnreadableVersion';
  readonly file: string;

  /** @param why the rest of the sentence that begins with the file */
  constructor(file: string, why: string, cause?: unknown) {
    super(`${file} ${why}`, { cause });
    this.file = file;
  }
}

/** Far above any pool; what is longer was not written by us. */
const MAX_BYTES = 1024 * 1024;
/** No version can follow it: numbers have 15 digits at most, so that each is exact. Counted from 1 it is never reached. */
const LAST_NUMBER = 999_999_999_999_999;
/** How many leftovers one change looks at, of each kind: the next changes see to the rest. */
const MOST_LEFT = 64;
/** How old a leftover file has to be, in milliseconds: far above the deadline of a writer, which has ended by then. */
const LEFT_MS = 5 * 60_000;
/** Readable for the group, so that nodes may run as users of their own. */
const FILE_MODE = 0o640;
const DIRECTORY_MODE = 0o770;

/**
 * Makes the directory where it is missing, for its owner and its group.
 * @throws the system's error
 */
export async function makeVersions(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    throw error;
  }
  await chmod(directory, DIRECTORY_MODE);
}

/**
 * The version that counts now.
 * @throws the system's error; UnreadableVersion where it cannot be read, is not a regular file, is too long, or is the last one
 */
export async function latest(directory: string): Promise<Version> {
  for (;;) {
    const [number = 0] = await numbersIn(directory);
    if (number === 0) return { number, text: null };
    const file = join(directory, String(number));
    const text = await textOf(file);
    if (number === LAST_NUMBER)
      throw new UnreadableVersion(file, 'has the highest number, which lastcall never reaches');
    // Removed in between: it has a successor.
    if (text !== null) return { number, text };
  }
}

/** `overtaken`: `before` was not the latest any more; `succeeded`: it was written, and is not the latest any more. */
export type Replaced = 'replaced' | 'overtaken' | 'succeeded';

/**
 * Puts `text` in the place of `before`.
 * @param mayStill throws where it is not wanted any more; called right before the one step that changes something
 * @throws LastcallError `locked` where the text is too long to be read; the system's error; what `mayStill` throws
 */
export async function replace(
  directory: string,
  before: Version,
  text: string,
  mayStill: () => void,
): Promise<Replaced> {
  if (Buffer.byteLength(text) > MAX_BYTES) throw tooLong(directory, Buffer.byteLength(text));
  const own = join(directory, `new-${randomId()}`);
  const number = before.number + 1;
  const target = join(directory, String(number));
  try {
    await writeWhole(own, text, (await stat(directory)).gid);
    mayStill();
    if (!(await linked(own, target))) return 'overtaken';
    // A process that was held up may take the number of a version that was removed since: it is not the highest.
    const [highest = 0, ...lower] = await numbersIn(directory);
    if (highest !== number) {
      await removeFile(target);
      return 'succeeded';
    }
    await removeAll(directory, [...lower.slice(0, MOST_LEFT).map(String), ...(await leftIn(directory, own))]);
    return 'replaced';
  } finally {
    await removeFile(own);
  }
}

function tooLong(directory: string, bytes: number): LastcallError {
  return new LastcallError(
    'locked',
    `${directory}: the claims there would need ${bytes} bytes, and nodes read ${MAX_BYTES} at most; nothing was changed`,
    {
      target: directory,
      elapsedMs: 0,
      next: 'give each pool a file of its own, or wait until fewer nodes are in its queue',
    },
  );
}

/** Highest first. */
async function numbersIn(directory: string): Promise<number[]> {
  const names = (await readdir(directory)).filter((name) => /^[1-9]\d{0,14}$/.test(name));
  return names.map(Number).toSorted((one, other) => other - one);
}

/** Files of processes that were killed while they wrote; by the clock of the file system, which dated both. */
async function leftIn(directory: string, own: string): Promise<string[]> {
  const { mtimeMs } = await stat(own);
  const left: string[] = [];
  const names = (await readdir(directory)).filter((one) => /^new-[\da-f-]{36}$/.test(one));
  for (const name of names.slice(0, MOST_LEFT)) {
    const written = await modifiedAt(join(directory, name));
    if (written !== null && mtimeMs - written > LEFT_MS) left.push(name);
  }
  return left;
}

/** @returns null when it is not there any more */
async function modifiedAt(path: string): Promise<number | null> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** What may stay, and harms nothing: the files of others where each user may remove its own alone, and what is no file. */
const STAYS: readonly (string | undefined)[] = ['EPERM', 'EACCES', 'EBUSY', 'EISDIR'];

async function removeAll(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names)
    await removeFile(join(directory, name)).catch((error: unknown) => {
      if (!STAYS.includes(errnoOf(error))) throw error;
    });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function writeWhole(path: string, text: string, group: number): Promise<void> {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE);
  try {
    // Whatever the umask of this process is.
    await handle.chmod(FILE_MODE);
    await giveTo(handle, group);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The group of the directory may read it, also where that is not the first group of this user. */
async function giveTo(handle: FileHandle, group: number): Promise<void> {
  const { uid, gid } = await handle.stat();
  if (gid !== group) await handle.chown(uid, group);
}

/**
 * @returns null when it is not there any more
 * @throws UnreadableVersion
 */
async function textOf(file: string): Promise<string | null> {
  try {
    return await readRegular(file);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw new UnreadableVersion(file, `cannot be read (${messageOf(error)})`, error);
  }
}

async function readRegular(file: string): Promise<string> {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
  const handle = await open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new Error('it is not a regular file');
    if (stat.size > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}
