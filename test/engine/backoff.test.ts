import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api/driver.ts';
import { createBackoff } from '../../agent/engine/backoff.ts';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import { createPollers } from '../../agent/engine/pollers.ts';
import type { UnstampedEvent } from '../../agent/engine/run-effect.ts';
import { initial } from '../../agent/lifecycle/model/state.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { memoryLog } from '../support/memory-log.ts';
import { until } from '../support/until.ts';
import { POLICY } from '../support/world/scene.ts';

describe('a balancer that did not answer', () => {
  test('is left alone for twice as long after each failure, up to a limit, and not at all after an answer', () => {
    const backoff = createBackoff(() => 1);
    expect(backoff.pauseMs()).toBe(0);
    const pauses = Array.from({ length: 40 }, () => {
      backoff.failed();
      return backoff.pauseMs();
    });
    expect(pauses.slice(0, 5)).toEqual([100, 200, 400, 800, 800]);
    expect(Math.max(...pauses)).toBe(800);
    backoff.answered();
    expect(backoff.pauseMs()).toBe(0);
    backoff.failed();
    expect(backoff.pauseMs()).toBe(100);
  });

  test('is not asked again by all at the same moment', () => {
    const spread = [0, 0.25, 0.999].map((random) => {
      const backoff = createBackoff(() => random);
      backoff.failed();
      return backoff.pauseMs();
    });
    expect(spread).toEqual([50, 62.5, expect.closeTo(99.95)]);
  });
});

describe('the polls', () => {
  let haproxy: Haproxy;
  const held: Socket[] = [];
  beforeEach(async () => {
    haproxy = await startHaproxy(
      'defaults\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s\nlisten app\n  server app1 127.0.0.1:9\n',
    );
  });
  afterEach(async () => {
    for (const socket of held.splice(0)) socket.destroy();
    await haproxy.stop();
  });

  test('come less often while others hold all ten connections, and again once one is let go', async () => {
    for (let count = 0; count < 10; count += 1) {
      const socket = connect({ path: haproxy.socket });
      held.push(socket);
      socket.write('prompt\n');
      await once(socket, 'data');
    }
    const options = { address: haproxy.socket, servers: ['app/app1'], timeoutMs: 20 };
    const balancer = createRuntimeBalancer(options, { clock: realClock });
    const policy = { ...POLICY, balancers: [{ ...balancer }] };
    const closing = new AbortController();
    const happened: { type: UnstampedEvent['type']; at: number }[] = [];
    const post = ({ type }: UnstampedEvent): void => void happened.push({ type, at: realClock.now() });
    const ports = {
      clock: realClock,
      random: () => 1,
      log: memoryLog(),
      balancers: [balancer],
      sources: [],
      stopper: null,
      starter: null,
      rebooter: null,
      identify: () => null,
      probing: null,
      gate: null,
      lock: null,
      warners: [],
      journal: { load: async () => ({ kind: 'none' }) as const, save: async () => undefined },
      bootId: 'boot',
      lastRuns: createLastRuns(),
    };
    const state = initial(policy, realClock.now());
    const pollers = createPollers(policy, ports, () => state, post, closing.signal);
    pollers.start();
    const lost = (): typeof happened => happened.filter(({ type }) => type === 'poll-failed');
    await until('six failures', () => lost().length >= 6);
    // The phase `starting` asks twenty times a second; even kicked, it waits.
    pollers.poll(balancer.name);
    const gaps = lost().map(({ at }, index, all) => at - (all[index - 1]?.at ?? at));
    for (const [index, least] of [100, 200, 400, 800, 800].entries())
      expect(gaps[index + 1]).toBeGreaterThanOrEqual(least);
    for (const socket of held.splice(0)) socket.destroy();
    await until('an answer', () => happened.some(({ type }) => type === 'polled'));
    pollers.stop();
    closing.abort(new Error('over'));
  });
});
