import { constants } from 'node:fs';
import { link, lstat, open, readdir, rename, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectory, syncDirectory } from '../system/directory.ts';
import { errnoOf } from '../system/error.ts';
import { removeFile } from '../system/remove-file.ts';
import { whyNotTrusted } from '../system/trust.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** The names beside a state file: the copy of before the last save, and the two that live only during a save. */
export const previousOf = (path: string): string => `${path}.prev`;
const freshOf = (path: string): string => `${path}.tmp`;
const linkOf = (path: string): string => `${path}.prev.tmp`;

/**
 * Replaces the file at `path` by `text`, so that at every instant, a power cut included, the old or the new one
 * is there whole, and keeps the old one as `.prev`. Durable once it resolves.
 * @throws the system's error; the file then holds the old text, or (a directory that cannot be synced) the new one
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  await makeDirectory(dirname(path));
  await removeLeftovers(path);
  try {
    await writeWhole(freshOf(path), Buffer.from(text));
    await keepPrevious(path);
    await rename(freshOf(path), path);
  } catch (error) {
    // On a full disk the half-written file would hold the last free blocks.
    await removeLeftovers(path).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Removes what a save that was cut short has left. */
export async function removeLeftovers(path: string): Promise<void> {
  await removeFile(freshOf(path));
  await removeFile(linkOf(path));
}

/** The kind of file at `path`; `odd` is anything but a regular file (a link could point anywhere). */
export async function kindOf(path: string): Promise<'missing' | 'file' | 'odd'> {
  try {
    return (await lstat(path)).isFile() ? 'file' : 'odd';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'missing';
    throw error;
  }
}

/** Far above any record; what is longer was not written by us. */
export const MAX_STATE_BYTES = 1024 * 1024;

/**
 * The text of a regular file that only root or we can have written, or why it cannot be believed. A link is not followed.
 * @throws the system's error when it cannot be read
 */
export async function readTrusted(
  path: string,
): Promise<{ readonly text: string } | { readonly distrusted: string }> {
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stat = await handle.stat();
    const why = stat.isFile() ? whyNotTrusted(stat) : 'it is not a regular file';
    if (why !== null) return { distrusted: why };
    const buffer = Buffer.alloc(MAX_STATE_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read)
      read = (await handle.read(buffer, length, buffer.length - length)).bytesRead;
    if (length > MAX_STATE_BYTES) return { distrusted: `it is longer than ${MAX_STATE_BYTES} bytes` };
    return { text: buffer.toString('utf8', 0, length) };
  } finally {
    await handle.close();
  }
}

/** Renames `from` to the first free `PATH.bad-N`, durably, and answers that name. */
export async function moveAside(from: string, path: string): Promise<string> {
  const prefix = `${basename(path)}.bad-`;
  const taken = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(name.slice(prefix.length)))
    .filter(Number.isSafeInteger);
  const target = join(dirname(path), `${prefix}${Math.max(0, ...taken) + 1}`);
  await rename(from, target);
  await syncDirectory(dirname(path));
  return target;
}

async function writeWhole(path: string, bytes: Buffer): Promise<void> {
  if (bytes.length > MAX_STATE_BYTES)
    throw new Error(`${bytes.length} bytes are more than a state file may have`);
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await writeAll(handle, bytes);
    const { size } = await handle.stat();
    if (size !== bytes.length) throw new Error(`${size} of ${bytes.length} bytes were written`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A write may take fewer bytes than it was given (a nearly full disk) without being an error. */
async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
    if (bytesWritten === 0) throw new Error(`the file takes no more than ${done} of ${bytes.length} bytes`);
    done += bytesWritten;
  }
}

/** A second name for the present file, so that `path` itself is never missing, not even for an instant. */
async function keepPrevious(path: string): Promise<void> {
  try {
    await link(path, linkOf(path));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return; // The first save: there is no previous one.
    throw error;
  }
  await rename(linkOf(path), previousOf(path));
}
