import { describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { mountOf, parseMountInfo, whyHidden } from '../../agent/sessions/sandbox-mounts.ts';
import { fixture } from '../support/fixture-reports.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir } from '../support/tempdir.ts';

/** As systemd 252 mounts it for the shipped unit, with a line of a disk and one with a blank in its name. */
const MOUNTS = parseMountInfo(
  [
    '400 399 254:0 / / ro,relatime shared:1 - ext4 /dev/vda rw',
    '431 400 0:45 /systemd-private-4e1f-lastcall.service-aB3d/tmp /tmp rw,nosuid - tmpfs tmpfs rw',
    '432 400 254:0 /var/tmp/systemd-private-4e1f-lastcall.service-Zz/tmp /var/tmp rw - ext4 /dev/vda rw',
    '433 400 0:24 /systemd/inaccessible/dir /home ro,nosuid - tmpfs tmpfs rw,mode=755',
    '434 400 0:50 / /root ro,nosuid - tmpfs tmpfs ro,mode=755',
    '435 400 254:1 / /srv/a\\040b rw - ext4 /dev/vdb rw',
    '436 431 254:0 /srv/shown /tmp/shown rw - ext4 /dev/vda rw',
  ].join('\n'),
);
const why = (path: string): string | null => whyHidden(mountOf(path, MOUNTS));

describe('What the sandbox of the unit covers', () => {
  test.each(['/tmp', '/tmp/a/b', '/var/tmp/x'])('%s is the sidecar’s own', (path) => {
    expect(why(path)).toContain('PrivateTmp=');
  });
  test.each(['/home', '/home/app/sessions', '/root/x'])('%s is hidden', (path) => {
    expect(why(path)).toContain('ProtectHome=');
  });
  test.each(['/', '/tmpfiles', '/var/lib/php/sessions', '/srv/a b/c', '/tmp/shown/x'])(
    '%s is the application’s',
    (path) => {
      expect(why(path)).toBeNull();
    },
  );
});

/** Namespaces of its own, in which /tmp and /home are what the sandbox makes of them. */
const COVERED = `set -e
mount --make-rprivate /
mkdir -p "$1/systemd-private-1-lastcall.service-x/tmp" "$1/real" && touch "$1/real/sess_1"
mount --bind "$1/systemd-private-1-lastcall.service-x/tmp" "$1/real"
shift
exec "$@"`;

test('A directory that is covered by a private /tmp is unknown with that reason, and never 0', async () => {
  if (process.getuid?.() !== 0) return skipped('only root may mount');
  const temp = await makeTempDir();
  try {
    await chmod(temp.path, 0o755);
    const output = await new Promise<string>((resolve) => {
      const config = {
        kind: 'files',
        path: join(temp.path, 'real', 'sess_*'),
        youngerThanMs: 60_000,
        timeoutMs: 5_000,
      };
      const program = fixture('counts-as-nobody', JSON.stringify(config));
      execFile('unshare', ['-m', 'sh', '-c', COVERED, '_', temp.path, ...program], (_error, stdout, stderr) =>
        resolve(stdout + stderr),
      );
    });
    if (output.includes('unshare failed')) return skipped(output);
    expect(output).toContain(`${join(temp.path, 'real')} is lastcall's own here`);
  } finally {
    await temp.remove();
  }
});
