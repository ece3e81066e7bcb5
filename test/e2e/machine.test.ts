import { afterEach, expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { nodesInService } from '../../agent/control/machine.ts';
import { realClock } from '../../agent/system/clock.ts';
import { openRig, patience, type Rig, told } from '../support/rig.ts';

// The nodes of one machine, seen by the sidecar of another one of them that is to reboot it.

let rig: Rig;
afterEach(() => rig.close());

test('a real sidecar counts until its node is out; HAProxy, a sidecar that has ended in order and our own do not', async () => {
  rig = await openRig();
  const ask = nodesInService(join(rig.dir, 'app2.sock'), realClock);
  const others = (): Promise<readonly string[]> => ask(patience());
  // HAProxy's sockets are in the same directory.
  expect(rig.haproxy.socket.startsWith(rig.dir)).toBe(true);
  expect(await others()).toEqual([]);
  const agent = await rig.sidecar();
  await agent.reaches('serving');
  expect(await others()).toEqual(['app1 is serving']);
  expect(await nodesInService(agent.control, realClock)(patience())).toEqual([]);
  expect(await told(agent.cli('drain'))).toMatchObject({ code: 0 });
  expect(await others()).toEqual([]);
  expect(await told(agent.cli('ready'))).toMatchObject({ code: 0 });
  expect(await told(agent.cli('drain', '--no-fence'))).toMatchObject({ code: 0 });
  expect(await others()).toEqual([`app1 is drained with app/app1 in DRAIN at unix:${rig.haproxy.socket}`]);
  await agent.stop();
  expect(await others()).toEqual([]);
});

test('one whose sidecar was killed counts: its node may be in service', async () => {
  rig = await openRig();
  const agent = await rig.sidecar();
  await agent.reaches('serving');
  await agent.kill();
  expect(await nodesInService(join(rig.dir, 'app2.sock'), realClock)(patience())).toEqual([
    expect.stringMatching(
      /^the sidecar at \S+\/app1\.sock cannot be asked \(.*no process listens there any more; where its node is no more, remove that file\)$/,
    ),
  ]);
});

test('one that does not answer counts: what is not known is not zero', async () => {
  rig = await openRig();
  const silent = createServer(() => undefined);
  const path = join(rig.dir, 'app3.sock');
  await new Promise<void>((listening) => silent.listen(path, listening));
  const found = await nodesInService(join(rig.dir, 'app2.sock'), realClock)(patience());
  silent.close();
  expect(found).toEqual([`the sidecar at ${path} cannot be asked (no answer within 2000 ms)`]);
});
