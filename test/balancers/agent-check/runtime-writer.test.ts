import { describe, expect, test } from '@jest/globals';
import { createAgentCheckServer } from '../../../agent/balancers/agent-check/server.ts';
import { createPollerBalancer } from '../../../agent/balancers/agent-check/poll-only.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { betweenPolls } from '../../support/between-polls.ts';
import { startHaproxy } from '../../support/haproxy.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryLog } from '../../support/memory-log.ts';
import { freePort } from '../../support/ports.ts';
import { poll } from '../../support/poll.ts';
import { until } from '../../support/until.ts';
import { adminOf, endings, never, type PolledStage, stage } from '../../support/agent-check-stage.ts';

describe('The weight by agent-check', () => {
  const weigh = (
    on: PolledStage,
    weight: number,
    full: number,
    mayReplace: number[],
  ): Promise<number | null> =>
    on.balancer.setWeight?.('app/app1', { weight, full, mayReplace }, never) ??
    Promise.reject(new Error('none'));
  const weightOf = async ({ haproxy }: PolledStage): Promise<string> =>
    (await haproxy.command('get weight app/app1')).split('\n')[0] ?? '';

  test('is a percent of the configured one, sent in every state until HAProxy shows it, and no longer', async () => {
    const on = await stage({ servers: { app1: 'weight 10' } });
    await on.balancer.set('app/app1', 'maint', ['ready'], never);
    expect(await weigh(on, 3, 10, [10])).toBe(3);
    expect(await on.balancer.set('app/app1', 'ready', ['maint'], never)).toMatchObject({ admin: 'ready' });
    expect(await weightOf(on)).toBe('3 (initial 10)');
    await on.haproxy.command('set server app/app1 weight 9');
    await on.polls(3);
    expect(await weightOf(on)).toBe('9 (initial 10)');
    expect(await weigh(on, 10, 10, [9])).toBe(10);
  });

  test('is waited for, however many polls of others at its address have got it', async () => {
    const on = await stage({ servers: { app1: 'weight 100' }, interval: '2s' });
    await on.polls(1);
    const done = weigh(on, 5, 100, [100]);
    let others = 0;
    await until('a monitor has got it often', async () => {
      if ((await poll(on.agentPort)) === 'up 5%\n') others += 1;
      return others > 4;
    });
    expect(await done).toBe(5);
  });

  test('is refused at once, for good, where HAProxy itself says that it takes none', async () => {
    const on = await stage({ servers: { app1: 'weight 100' }, balance: 'static-rr' });
    await expect(weigh(on, 5, 100, [100])).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('HAProxy does not take 5%'),
    });
  });

  test('that does not show in time has failed, and may be tried again', async () => {
    const clock = new ManualClock();
    // The agent-check of this HAProxy is another program's: the answers go to others at its address.
    const on = await stage({ servers: { app1: 'weight 100' }, clock, agent: '' });
    const failed = expect(weigh(on, 5, 100, [100])).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('but HAProxy does not show it'),
    });
    await clock.armed();
    await until('a monitor has got it', async () => {
      const answer = poll(on.agentPort);
      // Looks that polls share are some time apart, by this clock.
      clock.advance(50);
      return (await answer) === 'up 5%\n';
    });
    clock.advance(30_000);
    await failed;
  });

  test('is not set over one that another hand has set', async () => {
    const on = await stage({ servers: { app1: 'weight 100' } });
    await on.haproxy.command('set server app/app1 weight 60');
    expect(await weigh(on, 5, 100, [100])).toBe(60);
    await on.polls(2);
    expect(await weightOf(on)).toBe('60 (initial 100)');
  });

  test.each([
    ['at the end', 'weight 256', 12, 255],
    ['now', 'weight 256', 11, 256],
  ])('is refused where no percent makes it, %s', async (_when, server, weight, full) => {
    const on = await stage({ servers: { app1: server } });
    await expect(weigh(on, weight, full, [256])).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('no whole percent of its configured 256'),
    });
    expect(await weightOf(on)).toBe('256 (initial 256)');
  });
});

describe('A HAProxy written by agent-check and read with level operator', () => {
  test('is drained, fenced and brought back, and each state is read back before it is answered', async () => {
    const on = await stage();
    expect(await on.balancer.survey(never)).toMatchObject({
      servers: [{ admin: 'ready' }],
      facts: [{ name: 'app/app1' }],
    });
    expect(await on.balancer.set('app/app1', 'drain', ['ready'], never)).toMatchObject({
      admin: 'drain',
      origin: 'forced',
    });
    expect(await on.admin()).toBe('drain');
    expect(await on.balancer.set('app/app1', 'maint', ['drain'], never)).toMatchObject({
      admin: 'maint',
      origin: 'forced',
    });
    expect(await on.admin()).toBe('maint');
    await on.polls(3);
    expect(await on.admin()).toBe('maint');
    expect(await on.balancer.set('app/app1', 'ready', ['maint'], never)).toMatchObject({
      admin: 'ready',
      connections: 0,
    });
    expect(await on.admin()).toBe('ready');
  });

  test('keeps an operator\u2019s MAINT that came over our drain, poll after poll', async () => {
    const on = await stage();
    await on.balancer.set('app/app1', 'drain', ['ready'], never);
    for (let round = 0; round < 3; round++) {
      await on.polls(1);
      await betweenPolls(on.haproxy, 'maint', 'drain');
      await on.polls(3);
      expect(await on.admin()).toBe('maint');
      expect(await adminOf(on)).toBe('maint');
      // The operator gives it back to us.
      await on.haproxy.command('set server app/app1 state drain');
      await on.polls(1);
      expect(await on.admin()).toBe('drain');
    }
    expect(await on.balancer.set('app/app1', 'maint', ['drain'], never)).toMatchObject({ admin: 'maint' });
  });

  test('keeps an operator\u2019s READY that came over our drain, until we are asked to drain again', async () => {
    const on = await stage();
    await on.balancer.set('app/app1', 'drain', ['ready'], never);
    await betweenPolls(on.haproxy, 'ready', 'drain');
    await on.polls(3);
    expect(await on.admin()).toBe('ready');
    await on.balancer.set('app/app1', 'drain', ['ready'], never);
    expect(await on.admin()).toBe('drain');
  });

  test('gets `ready` as an edge: a MAINT after it stays', async () => {
    const on = await stage();
    await on.balancer.set('app/app1', 'drain', ['ready'], never);
    await on.balancer.set('app/app1', 'ready', ['drain'], never);
    await betweenPolls(on.haproxy, 'maint', 'ready');
    await on.polls(4);
    expect(await on.admin()).toBe('maint');
  });

  test('is not written where its state may not be replaced', async () => {
    const on = await stage();
    await on.haproxy.command('set server app/app1 state maint');
    expect(await on.balancer.set('app/app1', 'drain', ['ready'], never)).toMatchObject({ admin: 'maint' });
    expect(await on.balancer.set('app/app1', 'ready', ['drain'], never)).toMatchObject({ admin: 'maint' });
    await on.polls(3);
    expect(await on.admin()).toBe('maint');
  });

  test('has a state of its own for each server, by its agent-send', async () => {
    const on = await stage({
      servers: { app1: 'agent-send "app/app1\\n"', app2: 'agent-send "app/app2\\n"' },
    });
    await on.balancer.survey(never);
    await on.balancer.set('app/app1', 'drain', ['ready'], never);
    await on.haproxy.command('set server app/app2 state maint');
    await on.polls(6);
    expect([await on.admin('app1'), await on.admin('app2')]).toEqual(['drain', 'maint']);
    const both = on.balancer.set('app/app1', 'maint', ['drain'], never);
    await Promise.all([both, on.balancer.set('app/app2', 'ready', ['maint'], never)]);
    expect([await on.admin('app1'), await on.admin('app2')]).toEqual(['maint', 'ready']);
  });

  test('that polls another port is an error that names what its server line lacks, and nothing is sent later', async () => {
    const clock = new ManualClock();
    const port = await freePort();
    const on = await stage({ clock, agent: `agent-check agent-inter 200ms agent-port ${port}` });
    for (const wanted of [
      on.balancer.survey(never),
      on.balancer.set('app/app1', 'drain', ['ready'], never),
    ]) {
      const failed = expect(wanted).rejects.toMatchObject({
        code: 'balancer-unreachable',
        target: expect.stringMatching(/^app\/app1 at unix:/),
        elapsedMs: 30_000,
        next: expect.stringContaining('agent-check agent-port'),
      });
      await clock.armed(1);
      clock.advance(30_000);
      await failed;
    }
    expect(await on.admin()).toBe('ready');
  });

  test.each(['no agent-check', 'disable agent'] as const)(
    'that will never poll (%s) is refused at once, by the clock that no timer moves',
    async (way) => {
      const on = await stage({
        clock: new ManualClock(),
        ...(way === 'no agent-check' ? { agent: '' } : {}),
      });
      if (way === 'disable agent') await on.haproxy.command('disable agent app/app1');
      await expect(on.balancer.survey(never)).rejects.toMatchObject({
        code: 'config',
        target: expect.stringMatching(/^app\/app1 at unix:/),
        next: expect.stringMatching(/agent-check agent-port PORT.*enable agent app\/app1/),
      });
      expect(await on.admin()).toBe('ready');
    },
  );

  test('announces the former state again when the operation is given up before a poll', async () => {
    const on = await stage();
    const given = new AbortController();
    await on.polls(1);
    const done = on.balancer.set('app/app1', 'drain', ['ready'], given.signal);
    given.abort(new Error('cancelled'));
    await expect(done).rejects.toThrow('cancelled');
    await on.polls(3);
    expect(await on.admin()).toBe('ready');
  });

  test('cannot close connections with level operator', async () => {
    const on = await stage();
    await expect(on.balancer.closeSessions('app/app1', Infinity, never)).rejects.toMatchObject({
      code: 'not-permitted',
    });
    await expect(on.balancer.set('app/other', 'drain', ['ready'], never)).rejects.toMatchObject({
      code: 'no-such-server',
    });
  });
});

test('A real HAProxy that only polls takes the states of the agent-check, and keeps an operator\u2019s MAINT after it is back', async () => {
  let polled = 0;
  const port = await freePort();
  const server = createAgentCheckServer(
    { host: '127.0.0.1', port, allow: ['127.0.0.1'] },
    { clock: realClock, healthy: () => ++polled > 0, log: memoryLog() },
  );
  endings.push(() => server.close());
  const balancer = createPollerBalancer(
    { kind: 'agentCheck', from: ['127.0.0.1'], id: 'lb4' },
    { server, clock: realClock, healthy: () => true },
  );
  await server.listen();
  const check = `agent-check agent-inter 100ms agent-addr 127.0.0.1 agent-port ${port} agent-send "lb4\\n"`;
  const haproxy = await startHaproxy(
    `backend app\n  timeout server 1s\n  timeout connect 1s\n  timeout check 5s\n  server app1 127.0.0.1:9 ${check}\n`,
  );
  endings.push(() => haproxy.stop());
  const bits = async (): Promise<string> =>
    (await haproxy.command('show servers state app')).split('\n')[2]?.split(' ')[6] ?? '';
  const only = balancer.servers[0] ?? '';
  await balancer.set(only, 'drain', ['ready'], never);
  expect(await bits()).toBe('8');
  await balancer.set(only, 'maint', ['drain'], never);
  expect(await bits()).toBe('1');
  await balancer.set(only, 'ready', ['maint'], never);
  await until('ready is obeyed', async () => (await bits()) === '0');
  await haproxy.command('set server app/app1 state maint');
  const then = polled;
  await until('four more polls', () => polled >= then + 4);
  expect(await bits()).toBe('1');
});
