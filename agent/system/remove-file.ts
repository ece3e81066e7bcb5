import { lstat, unlink } from 'node:fs/promises';
import { errnoOf } from './error.ts';

/**
 * Removes a file, where it is there. Not Node's `rm`: where a directory takes the place of the file between two of its looks,
 * it removes that with all that is in it, also without `recursive` (measured on 20.20).
 * @throws the system's error: `EISDIR` for a directory
 */
export async function removeFile(path: string): Promise<void> {
  try {
    // On a read-only file system `unlink` fails with EROFS also where nothing is there.
    await lstat(path);
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
