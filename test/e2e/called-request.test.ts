import { afterEach, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import { createFileLock } from '../../agent/fleet/file-lock.ts';
import { realClock } from '../../agent/system/clock.ts';
import { claimOf } from '../support/claim.ts';
import { type Fleet, openFleet, type Sections } from '../support/fleet/fleet.ts';
import { never } from '../support/outcome.ts';
import { patience } from '../support/rig.ts';
import { until } from '../support/until.ts';

jest.setTimeout(60_000);

let fleet: Fleet | undefined;
afterEach(() => fleet?.close());

test('an accepted request whose slot has come survives `kill -9` before its operation has begun', async () => {
  const sections = (_node: unknown, dir: string): Sections => ({
    pool: { name: 'app' },
    lock: { file: join(dir, 'app.lock') },
  });
  const all = await openFleet({ nodes: 2, sections });
  fleet = all;
  const other = createFileLock(join(all.dir, 'app.lock'), 'app', { clock: realClock });
  const claim = claimOf('app', 'app9');
  await other.take(claim, never);
  const { client } = all.agent('app1');
  const asked = [
    await client.submit({ operation: 'stop', waitForSlot: '60s' }, patience()),
    await client.submit({ operation: 'drain', waitForSlot: '50s' }, patience()),
  ];
  expect(asked.map(({ accepted }) => accepted)).toEqual([true, true]);
  await until('both wait', async () => (await client.status(patience())).slot?.is === 'waits');
  const [haproxy] = all.haproxies;
  // What is checked anew has no answer, so the operation cannot begin.
  await haproxy?.kill('SIGSTOP');
  await other.give(claim, never);
  await until('its slot has come', async () =>
    (await other.look(never)).holders.some(({ claim: { node } }) => node === 'app1'),
  );
  await until('it is called', async () => (await client.status(patience())).operation === null);
  await all.agent('app1').kill();
  await haproxy?.kill('SIGCONT');
  const agent = await all.startAgent('app1');
  for (const one of asked) expect((await agent.ends(one.accepted ? one.id : '')).code).toBe('done');
  expect((await agent.client.status(patience())).phase).toBe('stopped');
});
