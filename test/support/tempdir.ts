import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir {
  readonly path: string;
  remove(): Promise<void>;
}

/** A fresh directory of mode 0700 with a short name: a unix socket's path may have 107 bytes at most. */
export async function makeTempDir(parent = tmpdir()): Promise<TempDir> {
  const path = await mkdtemp(join(parent, 'lc-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** The same in memory, where there is such a place: for who must not wait for a disk. */
export function makeMemoryDir(): Promise<TempDir> {
  return makeTempDir(existsSync('/dev/shm') ? '/dev/shm' : undefined);
}
