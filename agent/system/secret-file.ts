import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { errnoOf, isLastcallError, LastcallError, messageOf } from './error.ts';

const MAX_BYTES = 4096;
/** The rights of other users: any account on this machine may read or write it. */
const OTHERS = 0o006;
const OTHERS_WRITE = 0o022;

export interface Secret {
  readonly text: string;
  /** May every user of this machine read or change it? */
  readonly exposed: boolean;
  /** May another user than its owner change it? */
  readonly changeable: boolean;
}

/**
 * Reads a secret: a file of one line, of which the line end is no part. What it holds is in no error.
 * @param kind for messages: `password`, `token`
 * @throws LastcallError `failed`: missing, not ours to read, no regular file, empty, over 4 KiB or of several lines
 */
export async function readSecret(path: string, kind: string): Promise<Secret> {
  try {
    // Not blocking: a FIFO may never get a writer.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return await readFrom(handle, path, kind);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isLastcallError(error)) throw error;
    throw refused(path, kind, `cannot be read: ${errnoOf(error) ?? messageOf(error)}`);
  }
}

async function readFrom(handle: FileHandle, path: string, kind: string): Promise<Secret> {
  const about = await handle.stat();
  if (!about.isFile()) throw refused(path, kind, 'is no regular file');
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
  if (bytesRead > MAX_BYTES) throw refused(path, kind, `is longer than ${MAX_BYTES} bytes`);
  const text = buffer.toString('utf8', 0, bytesRead).replace(/\r?\n$/, '');
  if (text === '') throw refused(path, kind, 'is empty');
  if (/\p{Cc}/u.test(text)) throw refused(path, kind, 'holds more than one line, or a control character');
  return {
    text,
    exposed: (about.mode & OTHERS) !== 0,
    changeable: (about.mode & OTHERS_WRITE) !== 0,
  };
}

function refused(path: string, kind: string, why: string): LastcallError {
  return new LastcallError('failed', `the ${kind} file ${path} ${why}`, {
    target: path,
    next: `write the ${kind} into it as its only line, and let this user read it`,
  });
}
