import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFileLock } from '../../agent/fleet/file-lock.ts';
import { realClock } from '../../agent/system/clock.ts';
import { type Etcd, findEtcd, startEtcd } from '../support/etcd.ts';
import { adminsAt } from '../support/fleet/admin-sampler.ts';
import { type Fleet, FLEET_BACKEND, openFleet, type Sections } from '../support/fleet/fleet.ts';
import { never } from '../support/outcome.ts';
import { meet, type Recorder, startRecorder } from '../support/recorder.ts';
import { patience } from '../support/rig.ts';
import type { SiteNode } from '../support/site.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';

/** A holder that stands still, or is no more: its slot is freed once its servers are READY, and never before (INVARIANTS.md#i5). */

jest.setTimeout(240_000);

const TTL_S = 5;
const found = await findEtcd();

let fleet: Fleet | undefined;
let etcd: Etcd | undefined;
/** All sidecars of the pool reach HAProxy by this one. */
let recorder: Recorder | undefined;
afterEach(async () => {
  await fleet?.close();
  await recorder?.close();
  await etcd?.close();
  fleet = etcd = recorder = undefined;
});

type LockKind = 'file' | 'etcd';

interface OpenPool {
  readonly all: Fleet;
  /** The nodes that hold a slot. */
  readonly holders: () => Promise<readonly string[]>;
}

async function open(kind: LockKind, nodes: number): Promise<OpenPool> {
  const lock = kind === 'etcd' ? await etcdLock() : null;
  const way = (dir: string): string => join(dir, 'runtime.sock');
  const sections = ({ name }: SiteNode, dir: string): Sections => ({
    pool: { name: 'app', slots: 1 },
    lock: lock ?? { file: join(dir, 'app.lock') },
    audit: join(dir, 'audit.log'),
    balancers: [{ haproxy: `unix:${way(dir)}`, servers: [`${FLEET_BACKEND}/${name}`] }],
  });
  const all = await openFleet({ nodes, sections, withAgents: false });
  fleet = all;
  recorder = await startRecorder(all.haproxies[0]?.socket ?? '', way(all.dir));
  const agents = await Promise.all(all.nodes.map(({ name }) => all.startAgent(name)));
  await Promise.all(agents.map((agent) => agent.reaches('serving')));
  if (kind === 'etcd') return { all, holders: holdersInEtcd };
  const reader = createFileLock(join(all.dir, 'app.lock'), 'app', { clock: realClock });
  return { all, holders: async () => (await reader.look(never)).holders.map(({ claim }) => claim.node) };
}

async function etcdLock(): Promise<object> {
  if ('missing' in found) throw new Error(found.missing);
  etcd = await startEtcd(found.program);
  // The pool is in use for longer than a lease.
  await etcd.put('/lastcall/app/epoch', 'of-the-test');
  return { etcd: { endpoints: [etcd.url], ttl: `${TTL_S}s` } };
}

async function holdersInEtcd(): Promise<readonly string[]> {
  const keys = [...((await etcd?.get('/lastcall/app/alive/')) ?? new Map<string, string>()).keys()];
  return keys.map((key) => key.split('/').at(-2) ?? '');
}

const adminsIn = (all: Fleet): ReturnType<typeof adminsAt> =>
  adminsAt(all.haproxies[0]?.socket ?? '', FLEET_BACKEND);

const OUT = new RegExp(`set server ${FLEET_BACKEND}/(\\S+) state (?:drain|maint)`);

/** @returns the first node whose sidecar writes its DRAIN: that one is stopped, and HAProxy never gets the line */
async function stopBeforeDrain(all: Fleet): Promise<string> {
  if (recorder === undefined) throw new Error('the pool is not open');
  let stopped: string | undefined;
  const isOut = (line: string): boolean => (stopped = OUT.exec(line)?.[1]) !== undefined;
  await meet(recorder, 'before', isOut, async () => {
    process.kill(all.agent(stopped ?? '').pid, 'SIGSTOP');
    return 'drop';
  });
  return stopped ?? '';
}

const KINDS: readonly LockKind[] = 'missing' in found ? ['file'] : ['file', 'etcd'];
if ('missing' in found) test('etcd is here', () => skipped(found.missing));

describe.each(KINDS)('A pool of three with %s', (kind) => {
  test('`restart` on all at once, and a holder that stands still between its slot and its DRAIN: the others go on, and never two are fenced', async () => {
    const pool = await open(kind, 3);
    const { all } = pool;
    await all.letUsersIn();
    const sampler = await all.sample();
    const stopping = stopBeforeDrain(all);
    const restarting = all.all('restart', '--wait-for-slot', '200s', '--reason', 'patches');
    const stopped = await stopping;
    expect(await pool.holders()).toEqual([stopped]);
    expect([...(await adminsIn(all)).values()]).toEqual(all.nodes.map(() => 'ready'));
    await until('another one is fenced', async () => [...(await adminsIn(all)).values()].includes('maint'));
    process.kill(all.agent(stopped).pid, 'SIGCONT');
    const outcomes = await restarting;
    const experience = await all.usersGo();
    await sampler.stop();
    expect(experience).toMatchObject({ failed: 0, lost: 0 });
    expect([sampler.mostFenced(), sampler.longestOver(1) <= 1_000]).toEqual([1, true]);
    const others = outcomes.filter(({ node }) => node !== stopped).map(({ result }) => result.code);
    expect(others).toEqual(['done', 'done']);
    // It waits anew for a slot, or ends by that of its questions that had no answer in time: nothing was changed then.
    expect(outcomes.find(({ node }) => node === stopped)?.result.phase).toBe('serving');
    expect([...(await adminsIn(all)).values()]).toEqual(all.nodes.map(() => 'ready'));
    expect(await pool.holders()).toEqual([]);
  });
});

test('a holder that is no more keeps its slot while its server is in MAINT or DOWN, and is named; once that is READY and UP the others go on', async () => {
  const { all } = await open('file', 3);
  expect((await all.agent('app1').cli('drain', '--reason', 'disk').outcome).code).toBe(0);
  const waits = all.agent('app2').plain('stop', '--wait-for-slot', '60s');
  await until(
    'it waits',
    async () => (await all.agent('app2').client.status(patience())).slot?.is === 'waits',
  );
  await all.agent('app1').kill();
  await all.nodes[0]?.kill();
  const shown = (words: string): Promise<string> =>
    until(words, async () => {
      const lines = (await all.agent('app2').client.status(patience())).waits.join('\n');
      return lines.includes(words) && lines;
    });
  const line = await shown('its slot stays while app/app1 is in MAINT');
  expect(line).toMatch(
    /app1 holds a slot since 20\S+ \(drain by cli \S+: disk\), and its sidecar does not live; its slot stays while app\/app1 is in MAINT at \S+; if app1 no longer exists, `lastcall unlock app1 --reason TEXT`, else start its sidecar$/m,
  );
  // What a reload without state shows, too.
  await all.haproxies[0]?.command('set server app/app1 state ready');
  await shown('its slot stays while app/app1 is in READY and down');
  await all.nodes[0]?.start();
  const { code, stdout, stderr } = await waits.outcome;
  expect(code).toBe(0);
  // In the line of the command that waits, too.
  expect(stdout + stderr).toMatch(
    /waits: .*app1 holds a slot since .*and its sidecar does not live; its slot .*`lastcall unlock app1 /,
  );
  const audit = (await readFile(join(all.dir, 'audit.log'), 'utf8')).trim().split('\n');
  const records = audit.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(records.filter(({ event }) => event === 'unlock')).toEqual([
    expect.objectContaining({
      node: 'app1',
      by: 'lastcall',
      code: 'done',
      reason: expect.stringMatching(
        /^its sidecar does not live, and its servers have been READY and UP for 5 s; .*drain/,
      ),
    }),
  ]);
  expect(all.agent('app2').log()).toMatch(/the slot of app1 was freed: its sidecar does not live/);
});
