import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fixture } from '../../support/fixture-reports.ts';
import { skipped } from '../../support/skip.ts';
import { makeTempDir } from '../../support/tempdir.ts';

test('A master socket that its rights keep from us says where those are set', async () => {
  if (process.getuid?.() !== 0) return skipped('only root may act as another user');
  const temp = await makeTempDir();
  const path = join(temp.path, 'master.sock');
  const server = createServer().listen(path);
  try {
    await once(server, 'listening');
    await chmod(temp.path, 0o755);
    // As Debian has it.
    await chmod(path, 0o700);
    const [program = '', ...args] = fixture('asks-master-as-nobody', `unix:${path}`);
    const { stdout } = await promisify(execFile)(program, args);
    expect(stdout).toMatch(
      /^not-permitted .*permission denied.*; .*`-S .*,mode,660,group,haproxy`.*EXTRAOPTS/,
    );
    expect(stdout).not.toContain('stats socket');
  } finally {
    server.close();
    await temp.remove();
  }
});
