import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { skipped } from './skip.ts';

/** A file system that answers nothing, as a hard mount of an NFS server that is gone. */
export interface HungDisk {
  release(): Promise<void>;
}

/**
 * Mounts one at `path`, which is made: FUSE without a program that serves it, so that every access waits.
 * @returns null, with a report, where this user may not mount, or FUSE is not there
 */
export async function mountHungDisk(path: string): Promise<HungDisk | null> {
  await mkdir(path);
  try {
    const device = await open('/dev/fuse', 'r+');
    const options = `fd=3,rootmode=40000,user_id=${process.getuid?.() ?? 0},group_id=${process.getgid?.() ?? 0}`;
    const mount = spawn('mount', ['-i', '-t', 'fuse', '-o', options, 'none', path], {
      stdio: ['ignore', 'ignore', 'inherit', device.fd],
    });
    const [code] = (await once(mount, 'exit')) as [number];
    if (code !== 0) {
      await device.close();
      throw new Error(`mount ended with ${code}`);
    }
    return {
      async release() {
        // Waiting calls get the error that no answer will ever come.
        await device.close();
        await promisify(execFile)('umount', ['--lazy', path]);
      },
    };
  } catch (error) {
    skipped(`no FUSE here (${String(error)})`);
    return null;
  }
}
