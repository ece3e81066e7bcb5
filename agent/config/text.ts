import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { LastcallError, errnoOf, messageOf } from '../system/error.ts';

const MAX_BYTES = 1_000_000;

const REASONS: Readonly<Record<string, readonly [why: string, next: string]>> = {
  ENOENT: ['does not exist', 'name the file with --config'],
  EACCES: ['may not be read', 'give this user the right to read it'],
  EISDIR: ['is a directory', 'name the file in it with --config'],
};

/**
 * Reads a configuration file. Bounded, so that a wrong name such as /dev/zero ends too.
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
    const handle = await open(path, 'r');
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
  while (size < most) {
    const { bytesRead } = await handle.read(buffer, size, most - size);
    if (bytesRead === 0) break;
    size += bytesRead;
  }
  return buffer.subarray(0, size);
}

function failed(path: string, why: string, next: string, cause?: unknown): LastcallError {
  return new LastcallError('config', `the configuration file ${path} ${why}`, { target: path, next, cause });
}
