import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { errnoOf, isLastcallError, LastcallError, messageOf } from '../system/error.ts';

const MAX_BYTES = 4096;
/** The rights of other users: any account on this machine may read or write it. */
const OTHERS = 0o006;

export interface Password {
  readonly text: string;
  /** May every user of this machine read or change it? */
  readonly exposed: boolean;
}

/**
 * Reads a password: a file of one line, of which the line end is no part. What it holds is in no error.
 * @throws LastcallError `failed`: missing, not ours to read, no regular file, empty, over 4 KiB or of several lines
 */
export async function readPassword(path: string): Promise<Password> {
  try {
    // Not blocking: a FIFO may never get a writer.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return await readFrom(handle, path);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isLastcallError(error)) throw error;
    throw refused(path, `cannot be read: ${errnoOf(error) ?? messageOf(error)}`);
  }
}

async function readFrom(handle: FileHandle, path: string): Promise<Password> {
  const about = await handle.stat();
  if (!about.isFile()) throw refused(path, 'is no regular file');
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
  if (bytesRead > MAX_BYTES) throw refused(path, `is longer than ${MAX_BYTES} bytes`);
  const text = buffer.toString('utf8', 0, bytesRead).replace(/\r?\n$/, '');
  if (text === '') throw refused(path, 'is empty');
  if (/\p{Cc}/u.test(text)) throw refused(path, 'holds more than one line, or a control character');
  return { text, exposed: (about.mode & OTHERS) !== 0 };
}

function refused(path: string, why: string): LastcallError {
  return new LastcallError('failed', `the password file ${path} ${why}`, {
    target: path,
    next: 'write the password into it as its only line, and let this user read it',
  });
}
