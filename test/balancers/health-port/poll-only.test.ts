import { describe, expect, test } from '@jest/globals';
import { askHttp } from '../../support/ask-http.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import {
  NAME,
  balancer,
  clock,
  node,
  port,
  setWhilePolled,
  surveyed,
  told,
  setNode,
} from '../../support/health-poller.ts';

describe('a balancer that asks our health port', () => {
  test('gets UP and DOWN by the probe, while no state is wanted of it', async () => {
    expect(await told()).toBe('UP');
    setNode({ ...node, phase: 'unhealthy', health: 'down' });
    expect(await askHttp(port)).toMatchObject({ status: 503, body: 'DOWN' });
  });

  test('counts nothing and shows the last answer that it got', async () => {
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
    setNode({ ...node, phase: 'draining' });
    expect(await setWhilePolled('drain', 2)).toEqual(['DRAIN', 'DRAIN']);
    expect(await askHttp(port)).toMatchObject({ status: 404 });
    expect((await balancer.look(never)).servers).toMatchObject([{ admin: 'drain', operational: 'up' }]);
    expect(await setWhilePolled('maint', 2)).toEqual(['DOWN', 'DOWN']);
    expect((await balancer.look(never)).servers).toMatchObject([{ admin: 'maint', operational: 'down' }]);
    setNode({ ...node, phase: 'returning' });
    expect(await setWhilePolled('ready', 2)).toEqual(['UP', 'UP']);
    expect(await told()).toBe('UP');
  });

  test('never gets DOWN while it drains, however the probe finds the application', async () => {
    await surveyed();
    setNode({ ...node, phase: 'draining', health: 'down' });
    expect(await setWhilePolled('drain', 2)).toEqual(['DRAIN', 'DRAIN']);
  });

  test('that asks for the first time during a drain gets UP once, and the drain waits for it after that', async () => {
    await surveyed();
    setNode({ ...node, phase: 'draining' });
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

  test('that got DOWN gets UP before the next DRAIN', async () => {
    await surveyed();
    setNode({ ...node, phase: 'draining' });
    await setWhilePolled('drain', 2);
    await setWhilePolled('maint', 2);
    expect(await setWhilePolled('drain', 3)).toEqual(['UP', 'DRAIN', 'DRAIN']);
  });

  test('and says by send-state how it has the server is believed', async () => {
    await surveyed();
    setNode({ ...node, phase: 'draining' });
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

  test('and keeps the server DOWN after every answer gets DRAIN in the end, so that the drain goes on', async () => {
    await surveyed();
    const done = balancer.set(NAME, 'drain', ['ready'], never);
    const answers: string[] = [];
    for (let n = 0; n < 12; n++) answers.push(await told('127.0.0.3', 'DOWN'));
    expect(answers).toEqual([...Array<string>(10).fill('UP'), 'DRAIN', 'DRAIN']);
    for (let n = 0; n < 2; n++) await told();
    await done;
  });

  test('goes on getting DRAIN from a sidecar that begins in the middle of it', async () => {
    setNode({ ...node, phase: 'draining' });
    expect(await setWhilePolled('drain', 2)).toEqual(['DRAIN', 'DRAIN']);
    // From here on it is known what they heard: after a DOWN an UP comes first again.
    await setWhilePolled('maint', 2);
    expect(await setWhilePolled('drain', 3)).toEqual(['UP', 'DRAIN', 'DRAIN']);
  });

  test('gets no answer, rather than a wrong one, before a sidecar that begins knows what was wanted', async () => {
    for (const phase of ['starting', 'recovering', 'draining', 'stopped'] as const) {
      setNode({ ...node, phase });
      const answer = told().catch(() => 'hung up');
      for (let waited = 0; waited < 2_000; waited += 25) {
        await clock.armed(2);
        clock.advance(25);
      }
      expect(await answer).toBe('hung up');
    }
  });

  test('is answered as soon as that is known', async () => {
    setNode({ ...node, phase: 'recovering' });
    const answer = told();
    await clock.armed(2);
    setNode({ ...node, phase: 'serving' });
    clock.advance(25);
    expect(await answer).toBe('UP');
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

  test('that no poller gets is an error that names what to look at', async () => {
    const refused = refusalOf(() => balancer.survey(never));
    clock.advance(30_000);
    expect(await refused).toMatchObject({
      code: 'balancer-unreachable',
      target: NAME,
      message: expect.stringContaining('no poller has asked our health port'),
      next: expect.stringContaining('listen.health'),
    });
  });

  test('refuses to close connections', async () => {
    expect(await refusalOf(() => balancer.closeSessions(NAME, Infinity, never))).toMatchObject({
      code: 'not-permitted',
    });
  });
});
