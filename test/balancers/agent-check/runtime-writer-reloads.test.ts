import { describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Balancer } from '../../../agent/balancers/balancer.ts';
import { POLL_EVERY_MS } from '../../../agent/balancers/agent-check/shared-poll.ts';
import { reloadError } from '../../../agent/haproxy/spoilt-by-reload.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { betweenPolls } from '../../support/between-polls.ts';
import { poll } from '../../support/poll.ts';
import { until } from '../../support/until.ts';
import { adminOf, endings, never, stage } from '../../support/agent-check-stage.ts';

describe('A HAProxy written by agent-check and read with level operator', () => {
  test('is drained again by its first polls after a reload that forgot it', async () => {
    const on = await stage({ master: true });
    await on.balancer.set('app/app1', 'drain', ['ready'], never);
    await on.haproxy.reload();
    await until('the new worker is seen to drain', async () => (await adminOf(on)) === 'drain');
    await betweenPolls(on.haproxy, 'ready', 'drain');
    await on.polls(3);
    expect(await on.admin()).toBe('ready');
  });

  test('does not take another program’s agent-check for ours', async () => {
    const on = await stage();
    await on.balancer.set('app/app1', 'drain', ['ready'], never);
    const seen = [await on.balancer.look(never), await on.balancer.survey(never)];
    for (const { servers } of seen) expect(servers[0]).not.toHaveProperty('agent');
  });

  test('that a reload took away is no error of a survey in the middle of an operation', async () => {
    const on = await stage({ master: true });
    const { addresses } = await on.balancer.survey(never);
    await on.haproxy.rewrite('defaults\n  mode http\nbackend app\n  server other 127.0.0.1:9\n');
    await on.haproxy.reload();
    const { servers, relatives } = await on.balancer.survey(never, 'reload', addresses);
    expect(servers[0]?.absent).toContain('was removed from HAProxy by a reload');
    expect(relatives).toEqual([
      expect.objectContaining({ name: 'app/other', of: 'app/app1', by: 'address' }),
    ]);
    await expect(on.balancer.survey(never)).rejects.toMatchObject({ code: 'no-such-server' });
  });

  test('is asked again by a survey whose looks a reload has spoilt', async () => {
    let spoilt = 0;
    const readBy = (reader: Balancer): Balancer => ({
      ...reader,
      look: async (...asked) => {
        if (spoilt === 0) return reader.look(...asked);
        spoilt -= 1;
        throw reloadError('an old worker answered, which is stopping');
      },
    });
    const on = await stage({ readBy });
    await on.balancer.look(never);
    spoilt = 3;
    expect((await on.balancer.survey(never)).servers).toMatchObject([{ name: 'app/app1' }]);
    expect(spoilt).toBe(0);
  });

  test('is drained again after a reload also where the first answers are lost', async () => {
    const on = await stage({ master: true });
    await on.balancer.set('app/app1', 'drain', ['ready'], never);
    let isOver = false;
    // Polls as HAProxy does, and throws the answers away.
    const losing = (async () => {
      while (!isOver) {
        const poll = connect(on.agentPort, '127.0.0.1');
        await once(poll, 'data');
        poll.destroy();
      }
    })();
    await on.haproxy.reload();
    await until('the new worker is seen to drain', async () => (await adminOf(on)) === 'drain');
    isOver = true;
    await losing;
  });

  describe('while another process polls from its address every 25 ms', () => {
    /** Polls until the test ends, and throws the answers away, as a monitor does. */
    const monitor = (port: number): void => {
      let over = false;
      let last: Promise<unknown> = Promise.resolve();
      const timer = setInterval(() => {
        if (!over) last = poll(port).catch(() => undefined);
      }, 25);
      endings.push(async () => {
        over = true;
        clearInterval(timer);
        await last;
      });
    };

    test('is drained, fenced and brought back all the same', async () => {
      const on = await stage({ interval: '1s' });
      monitor(on.agentPort);
      await on.balancer.survey(never);
      for (const [admin, over] of [
        ['drain', 'ready'],
        ['maint', 'drain'],
        ['ready', 'maint'],
      ] as const) {
        expect(await on.balancer.set('app/app1', admin, [over], never)).toMatchObject({ admin });
        expect(await on.admin()).toBe(admin);
      }
    });

    test('keeps what an operator says, over our drain and after our ready', async () => {
      const on = await stage();
      monitor(on.agentPort);
      await on.balancer.set('app/app1', 'drain', ['ready'], never);
      await betweenPolls(on.haproxy, 'maint', 'drain');
      await on.polls(40);
      expect(await on.admin()).toBe('maint');
      await on.balancer.set('app/app1', 'ready', ['maint'], never);
      await betweenPolls(on.haproxy, 'maint', 'ready');
      await on.polls(40);
      expect(await on.admin()).toBe('maint');
    });

    test('is asked no more often than the time between two looks allows', async () => {
      const on = await stage();
      await on.balancer.set('app/app1', 'drain', ['ready'], never);
      const connections = async (): Promise<number> =>
        Number(/^CumConns: (\d+)$/m.exec(await on.haproxy.command('show info'))?.[1]);
      const [before, began] = [await connections(), realClock.now()];
      for (let round = 0; round < 10; round++) {
        await Promise.all(Array.from({ length: 100 }, () => poll(on.agentPort)));
      }
      const looks = (await connections()) - before;
      expect(looks).toBeGreaterThan(0);
      // A look is one connection; one more for the last look and one for `show info`. Node's timers end up to a
      // millisecond early, so a tenth more: the bound itself is tested on a clock of our own (shared-poll.test.ts).
      expect(looks).toBeLessThanOrEqual((1.1 * (realClock.now() - began)) / POLL_EVERY_MS + 2);
    });
  });
});
