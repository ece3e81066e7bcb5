import { afterEach, expect, jest, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '../../agent/lifecycle/model/api.ts';
import { type Etcd, findEtcd, startEtcd } from '../support/etcd.ts';
import { type Fleet, openFleet, type Sections } from '../support/fleet/fleet.ts';
import { patience } from '../support/rig.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';

/** The calendars of real sidecars are set while one of them holds the slot of their pool and the other one waits for it. */

jest.setTimeout(60_000);

const HOUR_MS = 3_600_000;
const WAIT_S = 300;
const found = await findEtcd();

let fleet: Fleet | undefined;
let etcd: Etcd | undefined;
afterEach(async () => {
  await fleet?.close();
  await etcd?.close();
  fleet = etcd = undefined;
});

const KINDS = 'missing' in found ? (['file'] as const) : (['file', 'etcd'] as const);
if ('missing' in found) test('etcd is here', () => skipped(found.missing));

async function lockOf(kind: (typeof KINDS)[number], dir: string): Promise<object> {
  if (kind === 'file' || 'missing' in found) return { file: join(dir, 'app.lock') };
  etcd = await startEtcd(found.program);
  // The pool is in use for longer than a lease.
  await etcd.put('/lastcall/app/epoch', 'of-the-test');
  return { etcd: { endpoints: [etcd.url], ttl: '5s' } };
}

const stepFile = (dir: string, node: string): string => join(dir, `${node}.step`);

async function open(kind: (typeof KINDS)[number]): Promise<Fleet> {
  const loaded = join(packageRoot(), 'dist', 'test', 'fixtures', 'steps-clock.js');
  const all = await openFleet({
    // One is left while another is out, and needs no sidecar for that.
    nodes: 3,
    withAgents: false,
    env: ({ name }, dir) => ({ NODE_OPTIONS: `--import ${loaded}`, STEPS_CLOCK: stepFile(dir, name) }),
  });
  fleet = all;
  const sections: Sections = { pool: { name: 'app', slots: 1 }, lock: await lockOf(kind, all.dir) };
  for (const name of ['app1', 'app2']) {
    await writeFile(stepFile(all.dir, name), '0');
    await (await all.startAgent(name, sections)).reaches('serving');
  }
  return all;
}

/** From now on a calendar is ahead by so much. */
const setCalendar = ({ dir }: Fleet, node: string, hours: number): Promise<void> =>
  writeFile(stepFile(dir, node), String(hours * HOUR_MS));

test.each(KINDS)(
  'With %s the slot and the place in the queue stay, and the waiting lasts as long as before',
  async (kind) => {
    const all = await open(kind);
    const [holder, waiter] = [all.agent('app1'), all.agent('app2')];
    expect((await holder.cli('drain', '--reason', 'disk').outcome).code).toBe(0);
    const began = performance.now();
    const stop = waiter.cli('stop', '--wait-for-slot', `${WAIT_S}s`);
    const slot = async () => (await waiter.client.status(patience())).slot;
    await until('it waits', async () => (await slot())?.is === 'waits');
    for (const hours of [25, -25]) {
      await setCalendar(all, 'app1', hours);
      await setCalendar(all, 'app2', -hours);
      // This asks the lock anew.
      const unlocked = await waiter.cli('unlock', 'app1', '--reason', 'its time is of another day').outcome;
      expect(unlocked).toMatchObject({ code: 75, stderr: expect.stringContaining('its sidecar lives') });
      const status = await waiter.client.status(patience());
      expect(status.slot).toMatchObject({ is: 'waits', position: 1, holders: [{ node: 'app1' }] });
      const gone = (performance.now() - began) / 1_000;
      expect(Math.abs(WAIT_S - gone - (status.operation?.remaining ?? 0))).toBeLessThan(5);
      expect((await holder.client.status(patience())).phase).toBe('drained');
    }
    expect((await holder.cli('ready').outcome).code).toBe(0);
    const { code, stdout } = await stop.outcome;
    const result = JSON.parse(stdout) as Result;
    expect([code, result.phase]).toEqual([0, 'stopped']);
    expect(result.seconds).toBeGreaterThan(0);
    expect(result.seconds).toBeLessThan((performance.now() - began) / 1_000 + 1);
  },
);
