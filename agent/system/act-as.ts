import { stat } from 'node:fs/promises';
import { errnoOf } from './error.ts';

/**
 * Root becomes the user to whom a directory belongs, with his groups, for the rest of this process: what is written there
 * must stay his, and what is started from here must not have more rights than he has. Any other user stays who he is.
 * @throws the system's error when the directory cannot be looked at
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
