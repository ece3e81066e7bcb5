import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Balancer } from '../../../agent/balancers/balancer.ts';
import { createHealthServer, type HealthServer } from '../../../agent/balancers/health-port/server.ts';
import type { NodeState } from '../../../agent/balancers/health-port/answer.ts';
import { createHealthBalancer } from '../../../agent/balancers/health-port/poll-only.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import { askHttp } from '../../support/ask-http.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryLog } from '../../support/memory-log.ts';
import { never, refusalOf } from '../../support/outcome.ts';

const NAME = 'health/127.0.0.0/8';
const ANSWERS = {
  up: { status: 200, body: 'UP' },
  drain: { status: 404, body: 'DRAIN' },
  down: { status: 503, body: 'DOWN' },
};
let clock: ManualClock;
let server: HealthServer;
let port: number;
let node: NodeState;
let balancer: Balancer;
beforeEach(() => begin({ fall: 2, rise: 2 }));
afterEach(() => server.close());

async function begin(monitor: { readonly fall: number; readonly rise: number }): Promise<void> {
  clock = new ManualClock();
  node = { phase: 'serving', health: 'up', balancers: [] };
  server = createHealthServer(
    { host: '127.0.0.1', port: 0, allow: [], answers: ANSWERS },
    { clock, log: memoryLog(), node: () => node },
  );
  balancer = createHealthBalancer(
    { kind: 'health', from: ['127.0.0.0/8'], ...monitor },
    { server, clock, node: () => node },
  );
  port = await server.listen();
}

/** The answer to a monitor; `state` is HAProxy's report of the server, where it sends it. */
async function told(from = '127.0.0.1', state?: string): Promise<string> {
  const sent = `${state ?? ''}; address=10.0.0.1; port=80; name=app/app1; node=lb1; weight=1/2; scur=4/9; qcur=1`;
  const headers: Record<string, string> = state === undefined ? {} : { 'X-Haproxy-Server-State': sent };
  return (await askHttp(port, { from, headers })).body;
}

/** Sets a state while that many polls come from one address; returns their answers. */
async function setWhilePolled(admin: Admin, polls: number, from?: string): Promise<string[]> {
  const done = balancer.set(NAME, admin, ['ready', 'drain', 'maint'], never);
  const answers: string[] = [];
  for (let n = 0; n < polls; n++) answers.push(await told(from));
  await done;
  return answers;
}

/** An operation begins with a survey, and that with a steady poller. */
async function surveyed(): Promise<void> {
  const survey = balancer.survey(never);
  for (let n = 0; n < 2; n++) await told();
  expect(await survey).toMatchObject({ facts: [{ usable: true, usableOthers: null, sticky: 'unknown' }] });
}

describe('a balancer that asks our health port', () => {
  test('is told UP and DOWN as the probe says, while nothing is wanted of it', async () => {
    expect(await told()).toBe('UP');
    node = { ...node, phase: 'unhealthy', health: 'down' };
    expect(await askHttp(port)).toMatchObject({ status: 503, body: 'DOWN' });
  });

  test('counts nothing and shows what it was told', async () => {
    expect(balancer).toMatchObject({ name: NAME, servers: [NAME], counts: false });
    const look = await balancer.look(never);
    expect(look).toMatchObject({
      worker: null,
      workers: null,
      unseen: null,
      servers: [{ admin: 'ready', operational: 'up', connections: null, queued: null }],
    });
  });

  test('is drained, fenced and brought back by two polls each', async () => {
    await surveyed();
    node = { ...node, phase: 'draining' };
    expect(await setWhilePolled('drain', 2)).toEqual(['DRAIN', 'DRAIN']);
    expect(await askHttp(port)).toMatchObject({ status: 404 });
    expect((await balancer.look(never)).servers).toMatchObject([{ admin: 'drain', operational: 'up' }]);
    expect(await setWhilePolled('maint', 2)).toEqual(['DOWN', 'DOWN']);
    expect((await balancer.look(never)).servers).toMatchObject([{ admin: 'maint', operational: 'down' }]);
    node = { ...node, phase: 'returning' };
    expect(await setWhilePolled('ready', 2)).toEqual(['UP', 'UP']);
    expect(await told()).toBe('UP');
  });

  test('is never told DOWN while it drains, however the probe finds the application', async () => {
    await surveyed();
    node = { ...node, phase: 'draining', health: 'down' };
    expect(await setWhilePolled('drain', 2)).toEqual(['DRAIN', 'DRAIN']);
  });

  test('that asks for the first time during a drain is told UP once, and is waited for after that', async () => {
    await surveyed();
    node = { ...node, phase: 'draining' };
    const done = balancer.set(NAME, 'drain', ['ready'], never);
    expect([await told('127.0.0.2'), await told('127.0.0.2')]).toEqual(['UP', 'DRAIN']);
    expect([await told(), await told()]).toEqual(['DRAIN', 'DRAIN']);
    let over = false;
    void done.then(() => (over = true));
    await told();
    expect(over).toBe(false);
    expect(await told('127.0.0.2')).toBe('DRAIN');
    await done;
  });

  test('that was told DOWN hears UP before the next DRAIN', async () => {
    await surveyed();
    node = { ...node, phase: 'draining' };
    await setWhilePolled('drain', 2);
    await setWhilePolled('maint', 2);
    expect(await setWhilePolled('drain', 3)).toEqual(['UP', 'DRAIN', 'DRAIN']);
  });

  test('and says by send-state how it has the server is believed', async () => {
    await surveyed();
    node = { ...node, phase: 'draining' };
    const done = balancer.set(NAME, 'drain', ['ready'], never);
    expect(await told('127.0.0.2', 'UP 1/3')).toBe('DRAIN');
    expect(await told('127.0.0.2', 'NOLB')).toBe('DRAIN');
    expect(await told('127.0.0.3', 'DOWN')).toBe('UP');
    expect(await told('127.0.0.3', 'DOWN 1/2')).toBe('UP');
    expect(await told('127.0.0.3', 'UP')).toBe('DRAIN');
    await told('127.0.0.3', 'NOLB');
    for (let n = 0; n < 2; n++) await told();
    await done;
  });

  test('and keeps the server DOWN whatever it hears is told DRAIN in the end, so that the drain goes on', async () => {
    await surveyed();
    const done = balancer.set(NAME, 'drain', ['ready'], never);
    const answers: string[] = [];
    for (let n = 0; n < 12; n++) answers.push(await told('127.0.0.3', 'DOWN'));
    expect(answers).toEqual([...Array<string>(10).fill('UP'), 'DRAIN', 'DRAIN']);
    for (let n = 0; n < 2; n++) await told();
    await done;
  });

  test('goes on being told DRAIN by a sidecar that begins in the middle of it', async () => {
    node = { ...node, phase: 'draining' };
    expect(await setWhilePolled('drain', 2)).toEqual(['DRAIN', 'DRAIN']);
    // From here on it is known what they heard: after a DOWN an UP comes first again.
    await setWhilePolled('maint', 2);
    expect(await setWhilePolled('drain', 3)).toEqual(['UP', 'DRAIN', 'DRAIN']);
  });

  test('is told nothing, rather than a wrong word, before a sidecar that begins knows what was wanted', async () => {
    for (const phase of ['starting', 'recovering', 'draining', 'stopped'] as const) {
      node = { ...node, phase };
      const answer = told().catch(() => 'hung up');
      for (let waited = 0; waited < 2_000; waited += 25) {
        await clock.armed(2);
        clock.advance(25);
      }
      expect(await answer).toBe('hung up');
    }
  });

  test('is answered as soon as that is known', async () => {
    node = { ...node, phase: 'recovering' };
    const answer = told();
    await clock.armed(2);
    node = { ...node, phase: 'serving' };
    clock.advance(25);
    expect(await answer).toBe('UP');
  });

  test('shows the connections that all its pollers have told just now, and unknown as soon as one has not', async () => {
    const seen = async () => (await balancer.look(never)).servers[0];
    await told('127.0.0.1', 'UP');
    await told('127.0.0.2', 'UP');
    expect(await seen()).toMatchObject({ connections: 8, queued: 2 });
    await told('127.0.0.3');
    expect(await seen()).toMatchObject({ connections: null, queued: null });
    clock.advance(5 * 60_000 + 1);
    await told('127.0.0.1', 'UP');
    expect(await seen()).toMatchObject({ connections: 4, queued: 1 });
    clock.advance(10_001);
    expect(await seen()).toMatchObject({ connections: null, queued: null });
  });

  test('is fenced once each monitor was told DOWN as often as it takes to believe it, and back the same way', async () => {
    await server.close();
    await begin({ fall: 4, rise: 3 });
    await surveyed();
    node = { ...node, phase: 'draining' };
    // A sign-out is obeyed at once.
    await setWhilePolled('drain', 2);
    let over = false;
    const fenced = balancer.set(NAME, 'maint', ['drain'], never).then(() => (over = true));
    for (let n = 0; n < 3; n++) expect(await told()).toBe('DOWN');
    expect(over).toBe(false);
    expect(await told()).toBe('DOWN');
    await fenced;
    over = false;
    const back = balancer.set(NAME, 'ready', ['maint'], never).then(() => (over = true));
    for (let n = 0; n < 2; n++) expect(await told()).toBe('UP');
    expect(over).toBe(false);
    expect(await told()).toBe('UP');
    await back;
  });

  test('and says by send-state how it has the server is fenced when it says so, and back when it says so', async () => {
    await surveyed();
    node = { ...node, phase: 'draining' };
    await setWhilePolled('drain', 2);
    const late = balancer.set(NAME, 'maint', ['drain'], never);
    const refused = refusalOf(() => late);
    for (const state of ['NOLB', 'NOLB 5/6', 'NOLB 4/6']) expect(await told('127.0.0.1', state)).toBe('DOWN');
    for (let n = 0; n < 2; n++) await told();
    clock.advance(28_000);
    for (let n = 0; n < 2; n++) expect(await told('127.0.0.1', 'NOLB 4/6')).toBe('DOWN');
    clock.advance(2_000);
    expect(await refused).toMatchObject({
      message: expect.stringContaining('reports by send-state that it has not applied it'),
      next: expect.stringContaining('`fall`'),
    });
    // The next attempt goes on where this one ended.
    const fenced = balancer.set(NAME, 'maint', ['drain'], never);
    expect(await told('127.0.0.1', 'DOWN')).toBe('DOWN');
    expect(await fenced).toMatchObject({ admin: 'maint' });
    const back = balancer.set(NAME, 'ready', ['maint'], never);
    for (const state of ['DOWN', 'DOWN 1/2', 'UP']) expect(await told('127.0.0.1', state)).toBe('UP');
    for (let n = 0; n < 2; n++) await told();
    expect(await back).toMatchObject({ admin: 'ready' });
  });

  describe('and a request that is no poller’s', () => {
    test('from the host of a HAProxy that sends its state holds nothing up, and hides no connections', async () => {
      const haproxy = async (...states: string[]): Promise<string[]> => {
        const answers: string[] = [];
        for (const state of states) answers.push(await told('127.0.0.1', state));
        return answers;
      };
      expect(await haproxy('UP', 'UP')).toEqual(['UP', 'UP']);
      // A person's curl, and even a monitor of its own that comes again and again.
      for (let n = 0; n < 3; n++) expect(await told()).toBe('UP');
      const seen = (await balancer.look(never)).servers[0];
      expect(seen).toMatchObject({ connections: 4, queued: 1 });
      node = { ...node, phase: 'draining' };
      for (const [admin, states, word] of [
        ['drain', ['UP', 'NOLB'], 'DRAIN'],
        ['maint', ['NOLB', 'DOWN'], 'DOWN'],
        ['ready', ['DOWN', 'UP'], 'UP'],
      ] as const) {
        const done = balancer.set(NAME, admin, ['ready', 'drain', 'maint'], never);
        await told();
        expect(await haproxy(...states)).toEqual([word, word]);
        await done;
      }
    });

    test('with an invented state holds nothing up, and hides connections no longer than it is fresh', async () => {
      for (let n = 0; n < 2; n++) await told('127.0.0.1', 'UP');
      const headers = { 'X-Haproxy-Server-State': 'UP; name=app/app1; node=ghost' };
      await askHttp(port, { headers });
      clock.advance(3_000);
      await told('127.0.0.1', 'UP');
      node = { ...node, phase: 'draining' };
      const done = balancer.set(NAME, 'drain', ['ready'], never);
      for (let n = 0; n < 2; n++) expect(await told('127.0.0.1', 'UP')).toBe('DRAIN');
      await done;
      expect((await balancer.look(never)).servers).toMatchObject([{ connections: null }]);
      clock.advance(7_001);
      await told('127.0.0.1', 'NOLB');
      expect((await balancer.look(never)).servers).toMatchObject([{ connections: 4 }]);
    });

    test('is a poller’s all the same where nobody else there sends a state', async () => {
      for (let n = 0; n < 2; n++) await told();
      await askHttp(port, { headers: { 'X-Haproxy-Server-State': 'UP; name=app/app1; node=ghost' } });
      node = { ...node, phase: 'draining' };
      let over = false;
      const done = balancer.set(NAME, 'drain', ['ready'], never).then(() => (over = true));
      expect(await told()).toBe('DRAIN');
      expect([over, (await balancer.look(never)).waitsFor]).toEqual([
        false,
        [{ poller: '127.0.0.1', silentSince: clock.now() }],
      ]);
      expect(await told()).toBe('DRAIN');
      await done;
    });
  });

  test('that asks no more cannot be asked, and is there again with its next question', async () => {
    await told();
    clock.advance(5 * 60_000);
    expect((await balancer.look(never)).servers).toHaveLength(1);
    clock.advance(1);
    expect(await refusalOf(() => balancer.look(never))).toMatchObject({
      code: 'balancer-unreachable',
      target: NAME,
      message: expect.stringContaining('no poller has asked our health port'),
    });
    await told();
    expect((await balancer.look(never)).servers).toHaveLength(1);
  });

  test('that no poller hears of is an error that says what to look at', async () => {
    const refused = refusalOf(() => balancer.survey(never));
    clock.advance(30_000);
    expect(await refused).toMatchObject({
      code: 'balancer-unreachable',
      target: NAME,
      message: expect.stringContaining('no poller has asked our health port'),
      next: expect.stringContaining('listen.health'),
    });
  });

  test('cannot be told to close connections', async () => {
    expect(await refusalOf(() => balancer.closeSessions(NAME, Infinity, never))).toMatchObject({
      code: 'not-permitted',
    });
  });
});
