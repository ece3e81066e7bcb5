import { errnoOf } from '../system/error.ts';
import { UnreadableVersion } from './versions.ts';

/** What an operator can do where the directory of a lock cannot be used. */

const MAKE_ROOM = 'make room there: no slot is taken or given back until then';
const SEE_DISK =
  'see to its file system (`dmesg`, `findmnt`): no slot is taken or given back until it can be written';
const SEE_DIRECTORY =
  'see that it is a directory of root or of a node, that the group of the nodes may write to and no other user';

/** By the system's error. ENOSPC, EDQUOT: the disk, or this user's part of it, has no room left. */
const BY_ERRNO: Readonly<Record<string, string>> = {
  ENOSPC: MAKE_ROOM,
  EDQUOT: MAKE_ROOM,
  EIO: SEE_DISK,
  EROFS: SEE_DISK,
};

/** The next step after this error. */
export function cureOf(error: unknown): string {
  if (!(error instanceof UnreadableVersion)) return BY_ERRNO[errnoOf(error) ?? ''] ?? SEE_DIRECTORY;
  const { file, cause } = error;
  const errno = errnoOf(cause) ?? '';
  const remove = `remove ${file} once no node of its pools is out (\`lastcall status --pool\` shows HAProxy's servers)`;
  if (errno === 'EACCES')
    return `let the group of the nodes read it; where no lastcall has written it, ${remove}`;
  return BY_ERRNO[errno] ?? remove;
}
