import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  createAgentCheckServer,
  type AgentCheckServer,
} from '../../../agent/balancers/agent-check/server.ts';
import { createPollerBalancer } from '../../../agent/balancers/agent-check/poll-only.ts';
import type { Balancer } from '../../../agent/balancers/balancer.ts';
import type { PollerConfig } from '../../../agent/config/config.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryLog } from '../../support/memory-log.ts';
import { poll } from '../../support/poll.ts';

const never = new AbortController().signal;
const lb4: PollerConfig = { kind: 'agentCheck', from: ['127.0.0.0/8'], id: null };
let clock: ManualClock;
let server: AgentCheckServer;
let port: number;
beforeEach(async () => {
  clock = new ManualClock();
  server = createAgentCheckServer(
    { host: '127.0.0.1', port: 0, allow: [] },
    { clock, healthy: () => true, log: memoryLog() },
  );
  port = await server.listen();
});
afterEach(() => server.close());

const balancerOf = (config: PollerConfig): Balancer =>
  createPollerBalancer(config, { server, clock, healthy: () => true });
const only = (balancer: Balancer): string => balancer.servers[0] ?? '';
const adminOf = async (balancer: Balancer) => (await balancer.look(never)).servers[0]?.admin;

/** Sets a state while `polls` polls come, one after the other; answers their lines. */
async function setWhilePolled(
  balancer: Balancer,
  admin: 'drain' | 'maint' | 'ready',
  polls: number,
): Promise<string[]> {
  const done = balancer.set(only(balancer), admin, ['ready', 'drain', 'maint'], never);
  const lines: string[] = [];
  for (let n = 0; n < polls; n++) lines.push(await poll(port));
  await done;
  return lines;
}

describe('A balancer that only polls', () => {
  test('counts nothing and shows the state that it was answered', async () => {
    const balancer = balancerOf({ ...lb4, id: 'lb4' });
    expect(balancer).toMatchObject({ name: 'agent-check/lb4', servers: ['agent-check/lb4'], counts: false });
    expect(await balancer.look(never)).toEqual({
      worker: null,
      workers: null,
      unseen: null,
      uncounted: [],
      servers: [
        {
          name: 'agent-check/lb4',
          admin: 'ready',
          origin: 'none',
          operational: 'up',
          connections: null,
          queued: null,
          total: null,
          weight: null,
          counters: null,
        },
      ],
      waitsFor: [],
    });
    expect(balancerOf(lb4).name).toBe('agent-check/127.0.0.0/8');
  });

  test('gets nothing but `up` before a state is set for it', async () => {
    balancerOf(lb4);
    expect(await poll(port)).toBe('up\n');
  });

  test('is drained once it has polled twice, and gets `drain` for as long as that is wanted', async () => {
    const balancer = balancerOf(lb4);
    expect(await setWhilePolled(balancer, 'drain', 2)).toEqual(['up drain\n', 'up drain\n']);
    expect(await adminOf(balancer)).toBe('drain');
    expect(await poll(port)).toBe('up drain\n');
    expect(await setWhilePolled(balancer, 'maint', 2)).toEqual(['up maint\n', 'up maint\n']);
    expect(await poll(port)).toBe('up maint\n');
    expect((await balancer.look(never)).servers[0]).toMatchObject({
      admin: 'maint',
      origin: 'forced',
      operational: 'down',
    });
  });

  test('gets ready twice and never again', async () => {
    const balancer = balancerOf(lb4);
    await setWhilePolled(balancer, 'maint', 2);
    expect(await setWhilePolled(balancer, 'ready', 2)).toEqual(['up ready\n', 'up ready\n']);
    expect(await poll(port)).toBe('up\n');
    expect(await adminOf(balancer)).toBe('ready');
  });

  test('gets ready no third time, whichever poller is still waited for, and a new poller never gets it', async () => {
    const balancer = balancerOf(lb4);
    await setWhilePolled(balancer, 'maint', 2);
    for (let n = 0; n < 2; n++) expect(await poll(port, '', '127.0.0.2')).toBe('up maint\n');
    const done = balancer.set(only(balancer), 'ready', ['maint'], never);
    expect(await poll(port)).toBe('up ready\n');
    expect(await poll(port)).toBe('up ready\n');
    expect(await poll(port)).toBe('up\n');
    for (let n = 0; n < 2; n++) expect(await poll(port, '', '127.0.0.2')).toBe('up ready\n');
    await done;
    expect(await poll(port, '', '127.0.0.3')).toBe('up\n');
  });

  test('gets `ready` from a sidecar that has just begun, since it may still do what the sidecar before it answered', async () => {
    expect(await setWhilePolled(balancerOf(lb4), 'ready', 2)).toEqual(['up ready\n', 'up ready\n']);
  });

  test('is not waited for twice with the same state', async () => {
    const balancer = balancerOf(lb4);
    await setWhilePolled(balancer, 'drain', 2);
    await balancer.set(only(balancer), 'drain', [], never);
    expect(await adminOf(balancer)).toBe('drain');
  });

  test('keeps its state where the caller does not want that one replaced', async () => {
    const balancer = balancerOf(lb4);
    await setWhilePolled(balancer, 'maint', 2);
    expect(await balancer.set(only(balancer), 'drain', ['ready'], never)).toMatchObject({ admin: 'maint' });
    expect(await poll(port)).toBe('up maint\n');
  });

  test('that no poller gets within the deadline is an error that names what to look at, and is not announced any longer', async () => {
    const balancer = balancerOf(lb4);
    const done = balancer.set(only(balancer), 'drain', ['ready'], never);
    const failed = expect(done).rejects.toMatchObject({
      code: 'balancer-unreachable',
      target: 'agent-check/127.0.0.0/8',
      elapsedMs: 30_000,
      next: expect.stringContaining('agent-check agent-port'),
    });
    clock.advance(30_000);
    await failed;
    await expect(balancer.look(never)).rejects.toMatchObject({ code: 'balancer-unreachable' });
    expect(await poll(port)).toBe('up\n');
    expect(await adminOf(balancer)).toBe('ready');
  });

  test('that has polled once counts as drained from then on, though the drain is not done', async () => {
    const balancer = balancerOf(lb4);
    const done = balancer.set(only(balancer), 'drain', ['ready'], never);
    const failed = expect(done).rejects.toMatchObject({ code: 'balancer-unreachable' });
    expect(await poll(port)).toBe('up drain\n');
    clock.advance(30_000);
    await failed;
    expect(await adminOf(balancer)).toBe('drain');
    expect(await poll(port)).toBe('up drain\n');
    await balancer.set(only(balancer), 'drain', [], never);
  });

  test('gets no more `ready` when its return fails, and gets the rest at the next attempt', async () => {
    const balancer = balancerOf(lb4);
    await setWhilePolled(balancer, 'maint', 2);
    const done = balancer.set(only(balancer), 'ready', ['maint'], never);
    const failed = expect(done).rejects.toMatchObject({ code: 'balancer-unreachable' });
    expect(await poll(port)).toBe('up ready\n');
    clock.advance(30_000);
    await failed;
    // It was silent for longer than a steady poller is: what is back may not have heard it.
    for (let n = 0; n < 2; n++) expect(await poll(port)).toBe('up\n');
    expect(await adminOf(balancer)).toBe('maint');
    expect(await setWhilePolled(balancer, 'ready', 2)).toEqual(['up ready\n', 'up ready\n']);
  });

  test('cannot be drained while nothing polls steadily', async () => {
    const balancer = balancerOf(lb4);
    await setWhilePolled(balancer, 'drain', 2);
    clock.advance(5 * 60_000 + 1);
    for (const said of ['no poller has asked our agent-check', 'no poller has asked our agent-check twice']) {
      const failed = expect(balancer.survey(never)).rejects.toMatchObject({
        code: 'balancer-unreachable',
        message: expect.stringContaining(said),
      });
      clock.advance(30_000);
      await failed;
      await poll(port);
    }
    expect(await balancer.survey(never)).toMatchObject({
      facts: [{ usableOthers: null, usable: false, sticky: 'unknown' }],
    });
  });

  test('waits for each of its addresses, says for which and since when, and not for one that has gone', async () => {
    const balancer = balancerOf(lb4);
    for (let n = 0; n < 2; n++) {
      await poll(port);
      await poll(port, '', '127.0.0.2');
      clock.advance(20_000);
    }
    const silentSince = clock.now() - 20_000;
    const first = balancer.set(only(balancer), 'drain', ['ready'], never);
    const failed = expect(first).rejects.toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringContaining('127.0.0.2, silent for 50 s'),
    });
    for (let n = 0; n < 2; n++) expect(await poll(port)).toBe('up drain\n');
    expect((await balancer.look(never)).waitsFor).toEqual([{ poller: '127.0.0.2', silentSince }]);
    clock.advance(20_000);
    await poll(port);
    clock.advance(10_000);
    await failed;

    const second = balancer.set(only(balancer), 'drain', ['ready'], never);
    for (let n = 0; n < 2; n++) {
      expect(await poll(port)).toBe('up drain\n');
      expect(await poll(port, '', '127.0.0.2')).toBe('up drain\n');
    }
    await second;
    expect((await balancer.look(never)).waitsFor).toEqual([]);

    clock.advance(5 * 60_000);
    expect(await setWhilePolled(balancer, 'maint', 2)).toEqual(['up maint\n', 'up maint\n']);
  });

  test('is drained although a caller came once from another address of `from`', async () => {
    const balancer = balancerOf(lb4);
    expect(await poll(port, '', '127.0.0.9')).toBe('up\n');
    await setWhilePolled(balancer, 'drain', 2);
    expect(await poll(port, '', '127.0.0.8')).toBe('up drain\n');
    await setWhilePolled(balancer, 'maint', 2);
    await setWhilePolled(balancer, 'ready', 2);
    expect(await adminOf(balancer)).toBe('ready');
  });

  test('polls at its own pace, a minute if need be: the attempt that comes after its second poll is done', async () => {
    const balancer = balancerOf(lb4);
    for (let n = 0; n < 2; n++) {
      await poll(port);
      clock.advance(60_000);
    }
    const first = balancer.set(only(balancer), 'drain', ['ready'], never);
    const failed = expect(first).rejects.toMatchObject({ code: 'balancer-unreachable' });
    expect(await poll(port)).toBe('up drain\n');
    clock.advance(30_000);
    await failed;
    clock.advance(30_000);
    const second = balancer.set(only(balancer), 'drain', ['ready'], never);
    expect(await poll(port)).toBe('up drain\n');
    await second;
  });

  test('ends its wait at once when the operation is given up, and announces the former state again', async () => {
    const balancer = balancerOf(lb4);
    const given = new AbortController();
    const done = balancer.set(only(balancer), 'drain', ['ready'], given.signal);
    given.abort(new Error('cancelled'));
    await expect(done).rejects.toThrow('cancelled');
    expect(await poll(port)).toBe('up\n');
  });

  test('refuses to close connections', async () => {
    const balancer = balancerOf(lb4);
    await expect(balancer.closeSessions(only(balancer), Infinity, never)).rejects.toMatchObject({
      code: 'not-permitted',
    });
  });
});

test('Two balancers of one address differ by their agent-send', async () => {
  const [four, five] = [balancerOf({ ...lb4, id: 'lb4' }), balancerOf({ ...lb4, id: 'lb5' })];
  const done = four.set(only(four), 'drain', ['ready'], never);
  expect(await poll(port, 'lb4\n')).toBe('up drain\n');
  expect(await poll(port, 'lb5\n')).toBe('up\n');
  expect(await poll(port, 'lb4\n')).toBe('up drain\n');
  await done;
  expect([await adminOf(four), await adminOf(five)]).toEqual(['drain', 'ready']);
});
