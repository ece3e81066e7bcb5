import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { messageOf } from '../system/error.ts';
import { isTrustedOwner, whyNotAlone, whyNotTrusted } from '../system/trust.ts';
import { quoted } from '../system/printable.ts';
import { MAX_PID } from '../system/limits.ts';

/** A pid file holds a number and blanks around it; a longer one is something else. */
const MAX_BYTES = 64;

/** The contents of a pid file, or why it is refused. */
export type PidFile =
  | {
      readonly pid: number;
      /** Another one as soon as the file is another, was written again, or names another process. */
      readonly version: string;
      /** Calendar time in milliseconds at which it was last written. */
      readonly writtenAt: number;
      /** Users besides root and ourselves who chose it: owners of the file, and of each link on the way to it. */
      readonly writers: readonly number[];
      /** Whether they own its directory as well, so that no other user could have put it there. */
      readonly isAtHome: boolean;
    }
  | { readonly problem: string };

/**
 * Reads a pid file: one whole number greater than 1, and nothing else, in a file that none but its owner may write to.
 * @returns the number and who chose it, or why there is none
 */
export function readPidFile(path: string): PidFile {
  try {
    const { at, owners } = followed(resolve(path));
    // Without O_NONBLOCK a FIFO under this name would hold us for ever.
    const file = openSync(at, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      if (readlinkSync(`/proc/self/fd/${file}`) !== at) return { problem: 'was exchanged while it was read' };
      return readOpen(file, owners, statSync(dirname(at)).uid);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return { problem: `cannot be read: ${messageOf(error)}` };
  }
}

/** As many links as the kernel follows. */
const MAX_LINKS = 40;

/** Where a path leads, and who owns the links that lead there. @throws the system's error */
function followed(path: string): { readonly at: string; readonly owners: readonly number[] } {
  const owners: number[] = [];
  const names = path.split('/');
  let at = '/';
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const next = join(at, name);
    const stat = lstatSync(next);
    if (!stat.isSymbolicLink()) {
      at = next;
      continue;
    }
    if (owners.push(stat.uid) > MAX_LINKS) throw new Error('too many symbolic links');
    const target = readlinkSync(next);
    if (isAbsolute(target)) at = '/';
    names.unshift(...target.split('/'));
  }
  return { at, owners };
}

function readOpen(file: number, linkOwners: readonly number[], directoryOwner: number): PidFile {
  const stat = fstatSync(file, { bigint: true });
  if (!stat.isFile()) return { problem: 'is not a regular file' };
  const owner = Number(stat.uid);
  const open = whyNotTrusted(stat, [owner]) ?? whyNotAlone(stat);
  if (open !== null) return { problem: `is not believed: ${open}` };
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
  const writers = [owner, ...linkOwners].filter((uid) => !isTrustedOwner(uid));
  const isAtHome = writers.every((uid) => uid === directoryOwner);
  return { pid, version: `${dev}:${ino}:${mtimeNs}:${pid}`, writtenAt: Number(mtimeMs), writers, isAtHome };
}

/** Why no application can have this process number; null when it can. */
export function whyNoPid(pid: number): string | null {
  if (!Number.isSafeInteger(pid) || pid < 0 || pid > MAX_PID) return `${pid}, which is no process number`;
  if (pid <= 1)
    return `${pid}, which is ${pid === 1 ? 'init' : 'every process of the group'}, not an application`;
  if (pid === process.pid) return `${pid}, which is lastcall itself`;
  if (pid === process.ppid) return `${pid}, which has started lastcall`;
  return null;
}
