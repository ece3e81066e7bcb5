import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The kernel makes one at each read (random(4)); a unit with `ProcSubset=pid` does not see it, nor does another kernel. */
const KERNEL = '/proc/sys/kernel/random/uuid';

/** @returns a UUID of random digits, from the kernel where it can be: to load node:crypto takes 3 ms of a `drain --dry-run` */
export function randomId(): string {
  try {
    return readFileSync(KERNEL, 'latin1').trim();
  } catch {
    return randomUUID();
  }
}
