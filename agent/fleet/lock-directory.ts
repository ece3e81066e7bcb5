import { lstat, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Who may have made the directory of a lock by a file, and who may change it. */

/** A user that may write there can take and free every slot. */
const OTHERS_MAY_WRITE = 0o002;
/** In such a directory each user may remove its own entries alone (inode(7)). */
const STICKY = 0o1000;

/** What decides whose a file is. */
interface Owned {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Checks that no user who has no part in the pool may write to the directory, or has made it. Where every user may make
 * what is not there yet, as in /run/lock and /tmp, another user may have been there before us.
 * @throws Error naming what is wrong; the system's error
 */
export async function assertTrusted(path: string): Promise<void> {
  const directory = await stat(path);
  if (isWritable(directory)) throw new Error(`every user may write to ${path}`);
  const above = dirname(resolve(path));
  const parent = await stat(above);
  if (!isWritable(parent)) return;
  if ((parent.mode & STICKY) === 0)
    throw new Error(`every user may put another directory in the place of ${path}`);
  // A link there is followed: whose it is counts as well.
  const other = [directory, await lstat(path)].find((one) => !isOfPool(one));
  if (other !== undefined)
    throw new Error(
      `${path} is of user ${other.uid} and group ${other.gid}, neither of which this process is, and every user may have made it in ${above}`,
    );
}

function isWritable({ mode }: { readonly mode: number }): boolean {
  return (mode & OTHERS_MAY_WRITE) !== 0;
}

/** Root's, ours, or of a group that we are in: no user can give a file to a group that it is not in itself (chown(2)). */
function isOfPool({ uid, gid }: Owned): boolean {
  const groups = [process.getegid?.(), ...(process.getgroups?.() ?? [])];
  return uid === 0 || uid === process.geteuid?.() || groups.includes(gid);
}
