import { afterEach, expect, jest, test } from '@jest/globals';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFileLock } from '../../agent/fleet/file-lock.ts';
import { realClock } from '../../agent/system/clock.ts';
import { lastcall } from '../support/cli.ts';
import { never } from '../support/outcome.ts';
import { patience } from '../support/rig.ts';
import { openPool, type Pool, type PoolNode, type PoolOptions, serverStatuses } from '../support/pool.ts';
import { until } from '../support/until.ts';

/** Nodes with a sidecar each, and one lock: many at once become a rolling restart by themselves (INVARIANTS.md#i5). */

jest.setTimeout(120_000);

let pool: Pool | null = null;
afterEach(async () => {
  await pool?.close();
  pool = null;
});

/** By default three nodes: one that is out, and two that wait. */
const open = async (options: Partial<PoolOptions> = {}): Promise<Pool> =>
  (pool = await openPool({ size: 3, ...options }));

test.each([1, 2])(
  '`restart` on all at once under users: none fails, none loses a session, and never more than %i are out',
  async (slots) => {
    const all = await open({ size: 5, pool: { slots } });
    const { nodes } = all;
    const crowd = all.users(30);
    await crowd.start();
    const watched = all.watch();
    const results = await Promise.all(nodes.map((node) => node.ask('restart', { waitForSlot: '100s' })));
    const seen = await watched.end();
    const report = await crowd.stop();
    expect(results.map(({ code }) => code)).toEqual(nodes.map(() => 'done'));
    expect(report).toMatchObject({ failed: 0, lost: 0 });
    expect(seen.looks).toBeGreaterThan(20);
    // Those that are out are behind their fences at different times, perhaps.
    expect(seen.out).toBe(slots);
    expect(seen.fenced).toBeLessThanOrEqual(slots);
  },
);

test('a node whose start fails is named by all others, which end `braked`; `ready` there releases them', async () => {
  const { nodes, dir } = await open();
  const broken = join(dir, 'app2.broken');
  const [one, two, ...others] = nodes as [PoolNode, PoolNode, ...PoolNode[]];
  await writeFile(broken, '');
  const failing = two.ask('restart', { waitForSlot: '100s' });
  await two.agent.reaches('draining', 'settling', 'fencing');
  const waiting = [one, ...others].map((node) => node.ask('restart', { waitForSlot: '100s' }));
  expect((await failing).code).toBe('app-health');
  const failedAt = performance.now();
  const results = await Promise.all(waiting);
  expect(performance.now() - failedAt).toBeLessThan(5_000);
  expect(results.map(({ code }) => code)).toEqual(results.map(() => 'braked'));
  for (const { message } of results) expect(message).toMatch(/app2 did not come back \(app-health: /);
  expect(await serverStatuses((pool as Pool).haproxy)).toEqual(['UP', 'MAINT', 'UP']);
  expect((await one.ask('drain')).code).toBe('braked');
  await rm(broken);
  expect((await two.ask('ready')).code).toBe('done');
  expect((await one.ask('restart')).code).toBe('done');
});

test('a node that failed and was scrapped keeps the brake on and is named with the cure; `unlock` releases the others', async () => {
  const { nodes, dir } = await open();
  const [one, two] = nodes as [PoolNode, PoolNode];
  await writeFile(join(dir, 'app2.broken'), '');
  expect((await two.ask('restart')).code).toBe('app-health');
  // A caller that has the result relies on it: the sidecar may be gone in the next moment.
  const lock = createFileLock(join(dir, 'pool.lock'), 'app', { clock: realClock });
  expect((await lock.look(never)).holders).toMatchObject([{ claim: { node: 'app2' }, state: 'failed' }]);
  const waits = one.ask('drain', { waitForSlot: '60s' });
  await two.agent.kill();
  expect((await waits).message).toMatch(
    /app2 did not come back .*if app2 no longer exists, `lastcall unlock app2 --reason TEXT`/,
  );
  const { stdout } = await one.agent.plain('status', '--pool').outcome;
  expect(stdout).toMatch(/\napp2 +failed .*its sidecar does not live: .*lastcall unlock app2 --reason TEXT/);
  expect((await one.agent.cli('unlock', 'app2', '--reason', 'scrapped').outcome).code).toBe(0);
  expect((await one.ask('drain')).code).toBe('done');
});

test('a holder whose sidecar is killed keeps its slot, and its next sidecar goes on with it', async () => {
  const { nodes, haproxy } = await open();
  const [one, two] = nodes as [PoolNode, PoolNode];
  expect((await one.ask('drain')).code).toBe('done');
  await one.agent.kill();
  const refused = await two.ask('drain');
  expect(refused.code).toBe('locked');
  expect(refused.message).toMatch(/app1 holds a slot .*its sidecar does not live/);
  await one.restart();
  await one.agent.reaches('drained');
  expect((await two.ask('drain')).message).not.toMatch(/does not live/);
  expect((await one.ask('ready')).code).toBe('done');
  expect((await two.ask('drain', { waitForSlot: '20s' })).code).toBe('done');
  expect(await serverStatuses(haproxy)).toEqual(['UP', 'MAINT', 'UP']);
});

test('`status` of one who waits tells people its place, and who holds the slot', async () => {
  const { nodes } = await open();
  const [one, two] = nodes as [PoolNode, PoolNode];
  await one.ask('drain');
  const waits = two.agent.plain('stop', '--wait-for-slot', '60s', '--reason', 'patches');
  await two.agent.client.status(patience());
  await until('it waits', async () => (await two.agent.client.status(patience())).slot?.is === 'waits');
  const { stdout } = await two.agent.plain('status').outcome;
  expect(stdout).toMatch(/stop by .*\(patches\)/);
  expect(stdout).toMatch(/waits: a slot of pool app, place 1 in the queue/);
  expect(stdout).toMatch(/waits: app1 holds a slot since 20.*\(drain by control: rolling\)/);
  await one.ask('ready');
  expect((await waits.outcome).code).toBe(0);
});

test('`unlock` frees the slot of a node that is no more, and of no other one', async () => {
  const { nodes, dir } = await open({ sections: (_node, at) => ({ audit: join(at, 'audit.log') }) });
  const [one, two] = nodes as [PoolNode, PoolNode];
  await one.ask('drain');
  const alive = await two.agent.cli('unlock', 'app1', '--reason', 'scrapped').outcome;
  expect(alive).toMatchObject({ code: 75, stderr: expect.stringMatching(/app1: its sidecar lives/) });
  const offered = async (): Promise<string> => {
    const line = `lastcall unlock --socket ${two.agent.control} `;
    return (await lastcall(['complete-words', 'nodes', line]).outcome).stdout;
  };
  expect(await offered()).toBe('');
  const waits = two.ask('drain', { waitForSlot: '60s' });
  await one.agent.kill();
  // The sidecar asks the lock at most once a second.
  await until('the dead holder is offered', async () => (await offered()) === 'app1\n');
  expect((await two.agent.cli('unlock', 'app1').outcome).code).toBe(64);
  const freed = await two.agent.cli('unlock', 'app1', '--reason', 'scrapped').outcome;
  expect([freed.code, JSON.parse(freed.stdout)]).toEqual([
    0,
    { ok: true, code: 'done', node: 'app1', message: 'app1: its slot of pool app is free' },
  ]);
  expect((await waits).code).toBe('done');
  expect((await two.agent.cli('unlock', 'app1', '--reason', 'again').outcome).code).toBe(0);
  const codes = async (): Promise<string[]> =>
    (await readFile(join(dir, 'audit.log'), 'utf8'))
      .split('\n')
      .filter((line) => line.includes('unlock'))
      .map((line) => (JSON.parse(line) as { readonly code: string }).code);
  // A record is written after the answer to which it belongs.
  await until('three records', async () => (await codes()).length === 3);
  expect(await codes()).toEqual(['locked', 'done', 'done']);
});
