import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { FileHandle } from 'node:fs/promises';
import { LastcallError, errnoOf, messageOf } from '../system/error.ts';

const MAX_BYTES = 1_000_000;
/** Of a pipe (`-c <(...)`): for how long its writer is waited for, and how often it is looked, in milliseconds. */
const WRITER_MS = 2_000;
const LOOK_MS = 20;

const REASONS: Readonly<Record<string, readonly [why: string, next: string]>> = {
  ENOENT: ['does not exist', 'name the file with --config'],
  EACCES: ['may not be read', 'give this user the right to read it'],
  EISDIR: ['is a directory', 'name the file in it with --config'],
};

/**
 * Reads a configuration file, or a pipe. Bounded in size and time, so that a wrong name (/dev/zero, a FIFO) ends too.
 * @throws LastcallError `config`: missing, unreadable, over 1 MB, not UTF-8; `cause` is the system's own error
 */
export async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  if (bytes.length > MAX_BYTES)
    throw failed(path, 'is over 1 MB', 'check that this is the configuration file');
  try {
    // A byte order mark stays: it is refused with its place, as a part of the text.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw failed(path, 'is not UTF-8 text', 'save it as UTF-8', cause);
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    // A pipe without a writer would hold the opening up for ever.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return await readUpTo(handle, MAX_BYTES + 1);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const [why, next] = REASONS[errnoOf(cause) ?? ''] ?? [
      `cannot be read (${messageOf(cause)})`,
      'name another file with --config',
    ];
    throw failed(path, why, next, cause);
  }
}

async function readUpTo(handle: FileHandle, most: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(most);
  let size = 0;
  const until = performance.now() + WRITER_MS;
  const isPipe = (await handle.stat()).isFIFO();
  while (size < most) {
    const bytesRead = await readSome(handle, buffer.subarray(size));
    // Before the first byte the writer may not have opened its end yet; after it this is the end.
    const isEnd = bytesRead === 0 && !(isPipe && size === 0);
    if (isEnd) break;
    size += bytesRead ?? 0;
    if ((bytesRead ?? 0) > 0) continue;
    if (performance.now() >= until) throw new Error('a pipe without a writer');
    await setTimeout(LOOK_MS);
  }
  return buffer.subarray(0, size);
}

/** @returns null where there is nothing to be read yet */
async function readSome(handle: FileHandle, into: Uint8Array): Promise<number | null> {
  try {
    return (await handle.read(into, 0, into.length)).bytesRead;
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return null;
    throw error;
  }
}

function failed(path: string, why: string, next: string, cause?: unknown): LastcallError {
  return new LastcallError('config', `the configuration file ${path} ${why}`, { target: path, next, cause });
}
