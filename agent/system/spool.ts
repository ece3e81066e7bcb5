import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomId } from './random-id.ts';

/**
 * A file without a name. A process that writes to it can go on when we have ended: it never breaks, as a pipe to us
 * would.
 */
export interface Spool {
  /** To be given to a process as its stdout or stderr. */
  readonly fd: number;
  /** The first `maxBytes` of what was written so far, and whether that is less than all. */
  read(maxBytes: number): { readonly text: string; readonly truncated: boolean };
  /** Gives the space of what is beyond the first `maxBytes` back; the writer goes on behind it. */
  trim(maxBytes: number): void;
  /** Closes lastcall's descriptor; the space is free once no process writes to the file any more. */
  close(): void;
}

const { O_APPEND, O_CREAT, O_EXCL, O_RDWR } = constants;

/** @throws the system's error, where no temporary file can be made (a read-only container) */
export function openSpool(): Spool {
  const path = join(tmpdir(), `lastcall-${randomId()}`);
  const fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0o600);
  unlinkSync(path);
  let isTrimmed = false;
  return {
    fd,
    read(maxBytes) {
      const { size } = fstatSync(fd);
      const buffer = Buffer.alloc(Math.min(size, maxBytes));
      const length = readSync(fd, buffer, 0, buffer.length, 0);
      return { text: buffer.toString('utf8', 0, length), truncated: isTrimmed || size > length };
    },
    trim(maxBytes) {
      if (fstatSync(fd).size <= maxBytes) return;
      isTrimmed = true;
      ftruncateSync(fd, maxBytes);
    },
    close: () => closeSync(fd),
  };
}
