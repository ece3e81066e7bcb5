import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { skipped } from '../support/skip.ts';
import { packageRoot } from '../support/sample.ts';

test('The script that boots a Debian system is clean by shellcheck', async () => {
  const script = join(packageRoot(), 'test', 'host', 'box.sh');
  const found = await new Promise<string>((resolve) => {
    execFile('shellcheck', [script], (error, stdout) =>
      resolve(error?.code === 'ENOENT' ? 'ENOENT' : stdout),
    );
  });
  if (found === 'ENOENT') return skipped('shellcheck is not installed');
  expect(found).toBe('');
});
