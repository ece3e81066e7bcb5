import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../agent/system/error.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { openStock, type Stock, TERM_LOG } from './stock.ts';

/** The version before: the last one with which this one's state has to get along. */
const BEFORE = '9e6e6c09929d6aabdfcf6705604a4fe1bcc6eb17';
const execute = promisify(execFile);
let temp: TempDir;
let stock: Stock | null = null;
let missing = '';
beforeAll(async () => {
  temp = await makeTempDir();
  try {
    await build(join(temp.path, 'before'));
  } catch (error) {
    // A shallow clone has no such commit.
    missing = messageOf(error);
    return;
  }
  stock = await openStock('app1', '', [`${temp.path}:/run/in/older`]);
  // It knows no `systemd:` driver; a drain needs none.
  await stock.box.sh(`cp -a /run/in/older/before /usr/lib/node_modules/lastcall-before
    chmod +x /usr/lib/node_modules/lastcall-before/dist/agent/main.js
    sed -i '/systemd:/d' /etc/lastcall/lastcall.yaml
    systemctl restart lastcall`);
}, 180_000);
afterAll(async () => {
  await stock?.box.close();
  await temp.remove();
});

/** Its program, with the packages of this checkout: its own package needs them beside it. */
async function build(into: string): Promise<void> {
  const root = packageRoot();
  await mkdir(into);
  await execute('git', [
    '-C',
    root,
    'archive',
    '-o',
    `${into}.tar`,
    BEFORE,
    'agent',
    'package.json',
    'tsconfig.json',
  ]);
  await execute('tar', ['-xf', `${into}.tar`, '-C', into]);
  await symlink(join(root, 'node_modules'), join(into, 'node_modules'));
  await execute(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', into]);
  await rm(join(into, 'node_modules'));
  await symlink('/run/in/checkout/node_modules', join(into, 'node_modules'));
}

test('Back to the version before in the middle of a drain, and forward again: the drain is known or an alarm is raised', async () => {
  if (stock === null) return skipped(`the version before cannot be built: ${missing}`);
  const { box } = stock;
  const programs = {
    'lastcall-before': 'dist/agent/main.js',
    lastcall: 'dist/bundle/lastcall.cjs',
  };
  const use = (which: keyof typeof programs): Promise<string> =>
    box.sh(
      `ln -sfn ../lib/node_modules/${which}/${programs[which]} /usr/bin/lastcall && systemctl restart lastcall`,
    );
  // The unit waits for `lastcall status`, which each version answers of itself.
  await stock.untilServing();
  const crowd = await stock.crowd(4, 600_000);
  const stop = box.run(['systemctl', 'stop', 'app1']);
  const before = await stock.untilStatus('app1 drains', ({ phase }) => phase === 'draining');
  for (const version of ['lastcall-before', 'lastcall'] as const) {
    await use(version);
    const now = await stock.untilStatus(
      'it knows where the node is',
      ({ phase }) => phase !== 'recovering' && phase !== 'starting',
    );
    const alarms = (await stock.journal('lastcall')).filter(({ text }) => text.includes('quarantine'));
    // Never silently serving: users of the drained node would come back while it is about to end.
    if (alarms.length === 0) expect(now.phase).toBe('draining');
    process.stderr.write(
      `${version}: ${now.phase}, the same operation: ${now.operation?.id === before.operation?.id}, alarms: ${alarms.length}\n`,
    );
  }
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  expect(await stop).toMatchObject({ code: 0 });
  expect((await box.sh(`tail -n 1 ${TERM_LOG}`)).split(' ')[1]).toBe('0');
});
