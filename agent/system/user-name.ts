import { userInfo } from 'node:os';

/** The name in the system of the user of this process, or the number: a container's user often has no name. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
