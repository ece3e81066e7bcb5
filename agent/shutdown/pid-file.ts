import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { messageOf } from '../system/error.ts';
import { quoted } from '../system/visible.ts';

/** A process number has at most 7 digits on Linux (PID_MAX_LIMIT, 4194304). */
const MAX_PID = 4_194_304;
/** A pid file holds a number and blanks around it; a longer one is something else. */
const MAX_BYTES = 64;

/** What a pid file says, or why it says nothing. */
export type PidFile =
  | {
      readonly pid: number;
      /** Another one as soon as the file is another, was written again, or names another process. */
      readonly version: string;
      /** Calendar time in milliseconds at which it was last written. */
      readonly writtenAt: number;
    }
  | { readonly problem: string };

/**
 * Reads a pid file: one whole number greater than 1, and nothing else.
 */
export function readPidFile(path: string): PidFile {
  try {
    // Without O_NONBLOCK a FIFO under this name would hold us for ever.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return readOpen(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return { problem: `cannot be read: ${messageOf(error)}` };
  }
}

function readOpen(file: number): PidFile {
  const stat = fstatSync(file, { bigint: true });
  if (!stat.isFile()) return { problem: 'is not a regular file' };
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  const length = readSync(file, buffer);
  if (length > MAX_BYTES) return { problem: `is longer than ${MAX_BYTES} bytes, so it is no pid file` };
  const text = buffer.toString('latin1', 0, length);
  if (text.trim() === '') return { problem: 'is empty' };
  if (!/^\s*\d+\s*$/.test(text))
    return { problem: `says ${quoted(text.trim())}, which is no process number` };
  const pid = Number(text);
  const problem = whyNoPid(pid);
  if (problem !== null) return { problem: `says ${problem}` };
  const { dev, ino, mtimeNs, mtimeMs } = stat;
  return { pid, version: `${dev}:${ino}:${mtimeNs}:${pid}`, writtenAt: Number(mtimeMs) };
}

/** Why no application can have this process number; null when it can. */
export function whyNoPid(pid: number): string | null {
  if (!Number.isSafeInteger(pid) || pid < 0 || pid > MAX_PID) return `${pid}, which is no process number`;
  if (pid <= 1)
    return `${pid}, which is ${pid === 1 ? 'init' : 'every process of the group'}, not an application`;
  if (pid === process.pid) return `${pid}, which is lastcall itself`;
  return null;
}
