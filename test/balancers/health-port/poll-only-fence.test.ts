import { describe, expect, test } from '@jest/globals';
import { askHttp } from '../../support/ask-http.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import {
  NAME,
  balancer,
  begin,
  clock,
  node,
  port,
  server,
  setWhilePolled,
  surveyed,
  told,
  setNode,
} from '../../support/health-poller.ts';

describe('a balancer that asks our health port', () => {
  test('shows the connections that each of its pollers has sent just now, and unknown as soon as one sends none', async () => {
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

  test('is fenced once each monitor got DOWN as often as it takes to believe it, and comes back the same way', async () => {
    await server.close();
    await begin({ fall: 4, rise: 3 });
    await surveyed();
    setNode({ ...node, phase: 'draining' });
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
    setNode({ ...node, phase: 'draining' });
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
      setNode({ ...node, phase: 'draining' });
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
      setNode({ ...node, phase: 'draining' });
      const done = balancer.set(NAME, 'drain', ['ready'], never);
      for (let n = 0; n < 2; n++) expect(await told('127.0.0.1', 'UP')).toBe('DRAIN');
      await done;
      expect((await balancer.look(never)).servers).toMatchObject([{ connections: null }]);
      clock.advance(7_001);
      await told('127.0.0.1', 'NOLB');
      expect((await balancer.look(never)).servers).toMatchObject([{ connections: 4 }]);
    });

    test('is a poller’s all the same where no other request from there has a state', async () => {
      for (let n = 0; n < 2; n++) await told();
      await askHttp(port, { headers: { 'X-Haproxy-Server-State': 'UP; name=app/app1; node=ghost' } });
      setNode({ ...node, phase: 'draining' });
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
});
