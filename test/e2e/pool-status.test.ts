import { afterEach, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import type { PoolReport } from '../../agent/lifecycle/model/pool-report.ts';
import { type Fleet, openFleet } from '../support/fleet/fleet.ts';
import { patience } from '../support/rig.ts';
import { until } from '../support/until.ts';

/** `status --pool`: the same on every node, by the lock and by HAProxy. */

jest.setTimeout(120_000);

let fleet: Fleet | undefined;
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

const reports = (of: Fleet): Promise<PoolReport[]> =>
  Promise.all(of.agents().map(({ client }) => client.pool(patience())));

/** As all nodes show it, without what the moment of the question decides. */
const shown = ({ lock, balancers }: PoolReport): unknown => ({
  lock,
  servers: balancers.map(({ name, servers }) => [
    name,
    servers.map((server) => [server.name, server.status]),
  ]),
});

test('a node that is out, one that waits and one that did not come back are the same on every node within two seconds', async () => {
  const lock = (dir: string): object => ({ file: join(dir, 'app.lock') });
  fleet = await openFleet({
    nodes: 4,
    balancers: 2,
    sections: (_node, dir) => ({ pool: { name: 'app', slots: 2, brake: 2 }, lock: lock(dir) }),
  });
  const all = fleet;
  await all.breakStart('app2', true);
  const failed = await all.agent('app2').cli('restart', '--reason', 'deploy 41').outcome;
  expect(failed.code).toBe(70);
  expect((await all.agent('app1').cli('drain', '--reason', 'disk').outcome).code).toBe(0);
  const waiting = all.agent('app3').cli('drain', '--wait-for-slot', '60s', '--reason', 'later');
  await until('app3 waits', async () =>
    (await all.agent('app4').client.pool(patience())).lock?.waiters.some(({ node }) => node === 'app3'),
  );
  const since = performance.now();
  const same = await until('all show the same', async () => {
    const texts = (await reports(all)).map((report) => JSON.stringify(shown(report)));
    return new Set(texts).size === 1 && texts[0];
  });
  expect(performance.now() - since).toBeLessThan(2_500);
  expect(JSON.parse(same)).toMatchObject({
    lock: {
      pool: 'app',
      slots: 2,
      brake: 2,
      holders: [
        { node: 'app2', state: 'failed', operation: 'restart', reason: 'deploy 41', alive: true },
        { node: 'app1', state: 'out', operation: 'drain', reason: 'disk', failure: null, alive: true },
      ],
      waiters: [{ node: 'app3', operation: 'drain', reason: 'later' }],
    },
    servers: Array.from({ length: 2 }, () => [
      expect.any(String),
      [
        ['app/app1', 'MAINT'],
        ['app/app2', 'MAINT'],
        ['app/app3', 'UP'],
        ['app/app4', 'UP'],
      ],
    ]),
  });
  const { stdout } = await all.agent('app4').plain('status', '--pool').outcome;
  expect(stdout).toContain('2 of 2 slots taken, 1 waiting, 1 failed');
  expect(stdout).toMatch(/\napp1 +out +\S+ +drain by \S.* \(disk\)\n/);
  expect(stdout).toMatch(/\napp3 +waits, place 1 +\S+ +drain by \S.* \(later\)\n/);

  await all.agent('app1').cli('ready').outcome;
  expect((await waiting.outcome).code).toBe(0);
  await until('the waiter has the slot', async () => {
    const { lock: now } = await all.agent('app2').client.pool(patience());
    return now?.waiters.length === 0 && now.holders.some(({ node }) => node === 'app3');
  });
});

test('without a lock HAProxy alone is shown, and pool prints that there is none', async () => {
  fleet = await openFleet({ nodes: 2 });
  const [report] = await reports(fleet);
  expect(report?.lock).toBeNull();
  expect(report?.balancers[0]?.servers.map(({ name, status }) => [name, status])).toEqual([
    ['app/app1', 'UP'],
    ['app/app2', 'UP'],
  ]);
  const { stdout } = await fleet.agent('app2').plain('status', '--pool').outcome;
  expect(stdout).toContain('no lock is configured');
});
