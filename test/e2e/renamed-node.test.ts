import { afterEach, expect, jest, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adminsAt } from '../support/fleet/admin-sampler.ts';
import { type Fleet, FLEET_BACKEND, openFleet } from '../support/fleet/fleet.ts';
import { patience, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

/** `node` is changed in the configuration of a node that is out: its old name holds the slot (INVARIANTS.md#i5). */

jest.setTimeout(60_000);

let fleet: Fleet | undefined;
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

async function renamed(): Promise<Fleet> {
  const all = await openFleet({
    nodes: 3,
    sections: (_node, dir) => ({
      pool: { name: 'app', slots: 1 },
      lock: { file: join(dir, 'app.lock') },
      audit: join(dir, 'audit.log'),
    }),
  });
  fleet = all;
  expect((await all.agent('app1').cli('drain', '--reason', 'disk').outcome).code).toBe(0);
  await all.agent('app1').stop();
  await all.startAgent('app1', { node: 'shop1' });
  return all;
}

const adminOf = async (all: Fleet): Promise<string | undefined> =>
  (await adminsAt(all.haproxies[0]?.socket ?? '', FLEET_BACKEND)).get('app1');

test('A node that is renamed while it is out has no record, no server and no slot of its own, and its messages say how they come back', async () => {
  const all = await renamed();
  const shop = all.agent('app1');
  await shop.reaches('serving');
  const { alarms, balancers, slot } = await shop.client.status(patience());
  expect(`${alarms.join('\n')}\n${shop.log()}`).toMatch(
    /app1\.json is not believed: it belongs to node "app1", not to shop1/,
  );
  expect([balancers[0]?.servers[0]?.owner, slot?.is]).toEqual(['operator', 'none']);
  expect((await told(shop.cli('drain'))).json).toMatchObject({
    code: 'locked',
    message: expect.stringMatching(
      /app1 holds a slot since 20\S+ \(drain by cli \S+: disk\), and its sidecar does not live: it names a server of this node, which had that name before: `lastcall ready --force --reason TEXT` here brings the server back/,
    ),
  });
  expect((await told(shop.cli('ready'))).json).toMatchObject({
    code: 'held',
    message: expect.stringContaining('--force --reason'),
  });
  expect(await adminOf(all)).toBe('maint');

  const waits = all.agent('app2').cli('stop', '--wait-for-slot', '50s');
  await until('app2 says what it waits for', async () =>
    /app1 holds a slot .*its slot stays while app\/app1 is in MAINT .*`lastcall unlock app1 --reason TEXT`/.test(
      (await all.agent('app2').client.status(patience())).waits.join('\n'),
    ),
  );
  expect(await told(shop.cli('ready', '--force', '--reason', 'renamed'))).toMatchObject({ code: 0 });
  expect(await told(waits)).toMatchObject({ code: 0, json: { phase: 'stopped' } });
  expect(await adminOf(all)).toBe('ready');
  const audit = (await readFile(join(all.dir, 'audit.log'), 'utf8')).trimEnd().split('\n');
  const freed = audit.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(freed.filter(({ event }) => event === 'unlock')).toMatchObject([
    { node: 'app1', by: 'lastcall', code: 'done', reason: expect.stringContaining('READY and UP for 5 s') },
  ]);
});
