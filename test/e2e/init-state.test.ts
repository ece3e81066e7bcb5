import { afterEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { isFrom, startHaproxy } from '../support/haproxy.ts';
import { lastcall } from '../support/cli.ts';
import { meet, startRecorder } from '../support/recorder.ts';
import { openRig, type Rig, told, type Visitor } from '../support/rig.ts';
import { skipped } from '../support/skip.ts';

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

async function hasInitState(): Promise<boolean> {
  const any = await startHaproxy('');
  try {
    return await isFrom(any, '3.1');
  } finally {
    await any.stop();
  }
}

test('a server that leaves MAINT as DOWN, since a user came before the fence was up, is in the result', async () => {
  if (!(await hasInitState())) return skipped('only HAProxy 3.1 and later have `init-state`');
  rig = await openRig({ server: 'check inter 10s rise 2 init-state fully-down' });
  const { haproxy, node, dir } = rig;
  const recorder = await startRecorder(haproxy.socket, join(dir, 'rec.sock'));
  try {
    let visitor: Visitor | undefined;
    const slippedIn = meet(
      recorder,
      'after',
      (line) => line.includes('state maint'),
      async () => {
        visitor = await rig?.signIn(node.url);
      },
    );
    const where = [
      '--haproxy',
      recorder.socket,
      '--server',
      'app/app1',
      '--sessions',
      `${node.url}/sessions`,
    ];
    const ended = told(lastcall(['drain', ...where, '--json', '--timeout', '40s']));
    await slippedIn;
    await meet(
      recorder,
      'after',
      (line) => line.includes('state drain'),
      () => Promise.resolve(),
    );
    await visitor?.leave();
    const { code, json } = await ended;
    expect([code, json.phase]).toEqual([0, 'drained']);
    expect(json.warnings.join()).toMatch(/app\/app1 went from MAINT to DRAIN and is DOWN first.*init-state/);
  } finally {
    await recorder.close();
  }
});
