import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './error.ts';
import { whyNotAlone, whyNotTrusted } from './trust.ts';

/** A file to which whole lines are added, and that gives way to a fresh one before it grows too big. */
export interface RotatingFile {
  /** Rejects as `append` would, as far as that can be known before. */
  check(): Promise<void>;
  /** Adds a line, after those before it; it is on the disk once this resolves. Rejects with the system's
   * error, or with why the file is not one that only root or we can have written; nothing is added to such a file. */
  append(line: string): Promise<void>;
}

export interface RotatingFileOptions {
  readonly path: string;
  /** The file becomes `PATH.1`, that one `PATH.2` and so on, before it would have more bytes than this. */
  readonly maxBytes: number;
  /** How many old files are kept. */
  readonly keep: number;
  /** Of new files. */
  readonly mode: number;
}

/**
 * Opens the file anew for each line, so that it may be moved away under us, and a disk that was full is found free
 * again. (winston's own file transport swallows the error of a write, as its source shows, and then writes no
 * more.)
 */
export function createRotatingFile(options: RotatingFileOptions): RotatingFile {
  let last: Promise<unknown> = Promise.resolve();
  // A full disk may have taken only a part of a line: that part must not become the beginning of the next line.
  let partialLine = false;
  const write = async (line: string): Promise<void> => {
    await makeRoom(options, line);
    const file = await openTrusted(options);
    try {
      const before = partialLine ? '\n' : '';
      partialLine = true;
      await file.appendFile(`${before}${line}\n`);
      partialLine = false;
      await file.datasync();
    } finally {
      await file.close();
    }
  };
  return {
    async check() {
      await mkdir(dirname(options.path), { recursive: true, mode: 0o755 });
      await (await openTrusted(options)).close();
    },
    append(line) {
      const mine = last.then(() => write(line));
      // The next caller waits for the end of this one, whatever it is; the error is the caller's.
      last = mine.catch(() => undefined);
      return mine;
    },
  };
}

async function makeRoom({ path, maxBytes, keep }: RotatingFileOptions, line: string): Promise<void> {
  const size = await sizeOf(path);
  if (size === null) return void (await mkdir(dirname(path), { recursive: true, mode: 0o755 }));
  if (size === 0 || size + Buffer.byteLength(line) + 1 <= maxBytes) return;
  for (let n = keep; n > 0; n -= 1) {
    const from = n === 1 ? path : `${path}.${n - 1}`;
    if ((await sizeOf(from)) !== null) await rename(from, `${path}.${n}`);
  }
}

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;

/** The kind of file, by the error of opening it; ENXIO: a pipe that nothing reads, or a socket. */
const ODD: Readonly<Record<string, string>> = { ELOOP: 'a symbolic link', ENXIO: 'not a regular file' };

/**
 * No link is followed, and a file of two names is not used: another user could make us write to any file with
 * either.
 */
async function openTrusted({ path, mode }: RotatingFileOptions): Promise<FileHandle> {
  const file = await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode).catch(
    (error: unknown) => {
      const why = ODD[errnoOf(error) ?? ''];
      throw why === undefined ? error : new Error(`${path} is ${why}`, { cause: error });
    },
  );
  try {
    const stat = await file.stat();
    const why = stat.isFile() ? (whyNotTrusted(stat) ?? whyNotAlone(stat)) : 'it is not a regular file';
    if (why !== null) throw new Error(`${path} is not used: ${why}`);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Of a regular file; any other kind has none that could be too big. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    const found = await lstat(path);
    return found.isFile() ? found.size : 0;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
