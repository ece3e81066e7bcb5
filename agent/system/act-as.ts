import { stat } from 'node:fs/promises';
import { errnoOf } from './error.ts';

/**
 * Root becomes the user that owns a directory, with that user's groups, for the rest of this process: files written
 * there must stay that user's, and commands started from here must not have more rights. Any other user is kept.
 * @throws the system's error when the directory cannot be read
 */
export async function actAsOwnerOf(directory: string): Promise<void> {
  const { uid, gid } = await stat(directory);
  if (process.geteuid?.() !== 0 || uid === 0) return;
  joinGroupsOf(uid, gid);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

/** Not among the types of Node 20. */
type Groups = typeof process & { initgroups?: (user: number, extraGroup: number) => void };

function joinGroupsOf(uid: number, gid: number): void {
  try {
    (process as Groups).initgroups?.(uid, gid);
  } catch (error) {
    // A user without a name (a container's) is in no other group.
    if (errnoOf(error) !== 'ERR_UNKNOWN_CREDENTIAL') throw error;
    process.setgroups?.([gid]);
  }
}
