import { describe, expect, test } from '@jest/globals';
import { answerOn, startFake } from '../../support/fake-haproxy.ts';
import { ask } from '../../support/haproxy.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import { DEFAULTS, driver, site, viewOf } from '../../support/runtime-driver.ts';

describe('what a look tells', () => {
  test('comes from the new worker after a reload that moved the server elsewhere', async () => {
    const running = await site('backend app\n  server app1 127.0.0.1:1\n', { master: true });
    const balancer = driver(running, 'app/app1');
    await balancer.set('app/app1', 'drain', ['ready'], never);
    const before = await balancer.look(never);
    await running.rewrite(
      `${DEFAULTS}backend above\n  server app1 127.0.0.1:1 weight 3\nbackend app\n  server app0 127.0.0.1:1\n  server app1 127.0.0.1:1 weight 5\n`,
    );
    const pid = await running.reload();
    const after = await balancer.look(never);
    expect(before.servers).toMatchObject([{ admin: 'drain' }]);
    expect(after.worker).toEqual({ pid, bornAt: expect.any(Number) });
    expect(after.worker).not.toEqual(before.worker);
    expect(after.servers).toMatchObject([{ admin: 'ready', weight: 5 }]);
  });

  test('is nobody, and names what is there, where a reload renamed or removed the server or its backend', async () => {
    const running = await site('backend app\n  server app1 127.0.0.1:1\n', { master: true });
    const balancer = driver(running, 'app/app1');
    await balancer.look(never);
    await running.rewrite(`${DEFAULTS}backend app\n  server other 127.0.0.1:1\n`);
    await running.reload();
    const away = { connections: 0, queued: 0, total: null };
    expect(await viewOf(balancer)).toMatchObject({
      ...away,
      absent: expect.stringMatching(/app\/app1 was removed from HAProxy by a reload.*it has other/),
    });
    expect(await refusalOf(() => balancer.survey(never))).toMatchObject({ code: 'no-such-server' });
    await running.rewrite(`${DEFAULTS}backend app\n  server app1 127.0.0.1:1\n`);
    await running.reload();
    expect(await viewOf(balancer)).not.toHaveProperty('absent');
    await running.rewrite(`${DEFAULTS}backend elsewhere\n  server app1 127.0.0.1:1\n`);
    await running.reload();
    expect(await viewOf(balancer)).toMatchObject({
      ...away,
      absent: expect.stringContaining('the backend app of app/app1 was removed from HAProxy by a reload'),
    });
  });

  test('is nobody where the server was removed at run time, and costs one short line a poll', async () => {
    const running = await site('backend app\n  server app0 127.0.0.1:1\n  server app1 127.0.0.1:1\n');
    const relay = await startFake((line, socket) => {
      void ask(running.socket, line).then((answer) => answerOn(socket, answer));
    });
    try {
      const balancer = driver({ socket: relay.path }, 'app/app1');
      await balancer.set('app/app1', 'maint', ['ready'], never);
      expect(await running.command('del server app/app1')).toContain('Server deleted');
      expect(await viewOf(balancer)).toMatchObject({
        absent: expect.stringContaining('app/app1 was removed from HAProxy at run time'),
      });
      const before = relay.lines.length;
      for (let polls = 0; polls < 20; polls += 1) await balancer.look(never);
      expect(new Set(relay.lines.slice(before))).toEqual(new Set(['show info;get weight app/app1']));
      // An operator may enable it at once and let users in, so the first poll sees it.
      expect(await running.command('add server app/app1 127.0.0.1:1')).toContain('New server registered');
      expect(await viewOf(balancer)).toMatchObject({ admin: 'maint', total: 0 });
      expect(await viewOf(balancer)).not.toHaveProperty('absent');
    } finally {
      await relay.stop();
    }
  });

  test('names the server that has its number, where it was renamed at run time (3.5)', async () => {
    const running = await site('backend app\n  server app0 127.0.0.1:1\n  server app1 127.0.0.1:1\n');
    let isRenamed = false;
    const relay = await startFake((line, socket) => {
      void ask(running.socket, line).then((answer) =>
        answerOn(
          socket,
          isRenamed
            ? answer.replaceAll('app1', 'fresh').replace(/^1 \(initial 1\)$/m, 'No such server.')
            : answer,
        ),
      );
    });
    try {
      const balancer = driver({ socket: relay.path }, 'app/app1');
      await balancer.look(never);
      isRenamed = true;
      expect(await viewOf(balancer)).toMatchObject({
        absent: expect.stringContaining(
          'renamed or replaced in HAProxy at run time: app/fresh has its number',
        ),
      });
      expect(await viewOf(balancer)).toHaveProperty('absent');
      isRenamed = false;
      expect(await viewOf(balancer)).not.toHaveProperty('absent');
    } finally {
      await relay.stop();
    }
  });

  test('is no count at all for a backend that is disabled', async () => {
    const running = await site('backend app\n  disabled\n  server app1 127.0.0.1:1\n');
    const refusal = await refusalOf(() => driver(running, 'app/app1').look(never));
    expect(refusal).toMatchObject({
      code: 'balancer-unreachable',
      next: expect.stringContaining('disabled'),
    });
  });
});

describe('a server that is not listed any more', () => {
  test('is put back only over what may be replaced, by its validated name, and no look tells of it', async () => {
    const running = await site('backend app\n  server app1 127.0.0.1:1\n  server app2 127.0.0.1:1\n');
    await running.command('set server app/app2 state maint');
    const balancer = driver(running, 'app/app1');
    expect(await balancer.putBack?.('app/app2', 'ready', ['drain'], never)).toMatchObject({ admin: 'maint' });
    const back = await balancer.putBack?.('app/app2', 'ready', ['maint'], never);
    expect(back).toMatchObject({ name: 'app/app2', admin: 'ready', origin: 'none' });
    expect((await balancer.look(never)).servers.map(({ name }) => name)).toEqual(['app/app1']);
  });

  test('is answered as absent where HAProxy has lost it too, or its backend', async () => {
    const running = await site('backend app\n  server app1 127.0.0.1:1\n');
    for (const name of ['app/app2', 'web/app1'])
      expect(await driver(running, 'app/app1').putBack?.(name, 'ready', ['maint'], never)).toMatchObject({
        name,
        absent: expect.any(String),
      });
  });

  test('is never part of a command when its name is none', async () => {
    const running = await site('backend app\n  server app1 127.0.0.1:1\n');
    const set = (): unknown =>
      driver(running, 'app/app1').putBack?.('app/x; shutdown sessions server app/app1', 'ready', [], never);
    expect(await refusalOf(set)).toMatchObject({ code: 'config' });
  });

  test('is nobody to count or to close', async () => {
    const running = await site('backend app\n  server app1 127.0.0.1:1\n  server app2 127.0.0.1:1\n');
    const balancer = driver(running, 'app/app1');
    expect(await refusalOf(() => balancer.closeSessions('app/app2', 1, never))).toMatchObject({
      code: 'no-such-server',
    });
  });
});
