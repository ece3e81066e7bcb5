import { readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Returns why the files in a directory are not those that the application has there; null: they are. */
export type WhyHidden = (directory: Buffer) => Promise<string | null>;

interface Mount {
  readonly point: string;
  /** What of its file system is mounted. */
  readonly root: string;
  readonly type: string;
}

const PRIVATE_TMP = /(?:^|\/)systemd-private-[^/]+\/tmp$/;
const INACCESSIBLE = /(?:^|\/)systemd\/inaccessible\/[^/]+$/;
/** What ProtectHome=tmpfs covers, each with a file system of its own. */
const HOMES: readonly string[] = ['/home', '/root', '/run/user'];

/**
 * Reads what systemd's sandbox keeps from this process: a directory that it has covered is readable and empty, whatever
 * the application has written to the one below.
 * @returns a judgement of directories as they are mounted now
 * @throws Error where /proc/self/mountinfo cannot be read
 */
export async function readSandboxMounts(): Promise<WhyHidden> {
  const mounts = parseMountInfo(await readFile('/proc/self/mountinfo', 'latin1'));
  return async (directory) => {
    return whyHidden(mountOf(await nearestReal(directory.toString('latin1')), mounts));
  };
}

/** Mounts are named without links. What is not there, or cannot be entered, is judged by what is above it. */
async function nearestReal(path: string): Promise<string> {
  try {
    return await realpath(Buffer.from(path, 'latin1'), 'latin1');
  } catch (error) {
    if (path === '/') throw error;
    return nearestReal(dirname(path));
  }
}

/**
 * @param text of /proc/self/mountinfo, as ISO 8859-1 (proc_pid_mountinfo(5))
 * @returns every mount, the later ones over the earlier
 */
export function parseMountInfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const words = line.split(' ');
    const type = words[words.indexOf('-') + 1];
    const [, , , root, point] = words;
    if (root === undefined || point === undefined || type === undefined) return [];
    return [{ root: unescaped(root), point: unescaped(point), type }];
  });
}

/** The mount in which a path without links lies. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts
    .filter(({ point }) => point === '/' || path === point || path.startsWith(`${point}/`))
    .reduce<Mount | undefined>(
      (best, mount) => (best === undefined || mount.point.length >= best.point.length ? mount : best),
      undefined,
    );
}

/** @returns what hides the application's files there, and which key of the unit does it; null: nothing */
export function whyHidden(mount: Mount | undefined): string | null {
  if (mount === undefined) return null;
  const { point, root, type } = mount;
  if (PRIVATE_TMP.test(root))
    return `${point} is lastcall's own here, not the application's (PrivateTmp= of its unit)`;
  if (INACCESSIBLE.test(root) || (HOMES.includes(point) && type === 'tmpfs'))
    return `${point} is hidden from lastcall (ProtectHome= or InaccessiblePaths= of its unit)`;
  return null;
}

/** Blanks and the like are written as three octal digits. */
function unescaped(word: string): string {
  return word.replaceAll(/\\([0-7]{3})/g, (_all, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
