import { describe, expect, test } from '@jest/globals';
import { isFrom, type Haproxy } from '../../support/haproxy.ts';
import { startHoldingApp } from '../../support/long-request-app.ts';
import { download, startLastingApp } from '../../support/app-with-open-connections.ts';
import { never } from '../../support/outcome.ts';
import { freePort } from '../../support/ports.ts';
import { skipped } from '../../support/skip.ts';
import { until } from '../../support/until.ts';
import { driver, site, viewOf, keepApp } from '../../support/runtime-driver.ts';

describe('what a look tells', () => {
  test('is right where a frontend has the same name as the backend', async () => {
    const port = await freePort();
    const any = await site('backend app\n  server app1 127.0.0.1:1\n');
    const isRefused = await isFrom(any, '3.3');
    await any.stop();
    if (isRefused) return skipped('from 3.3 on HAProxy refuses such a configuration');
    const running = await site(
      `frontend app\n  bind 127.0.0.1:${port}\n  default_backend app\nbackend app\n  server app1 127.0.0.1:1\n`,
    );
    expect(await viewOf(driver(running, 'app/app1'))).toMatchObject({ admin: 'ready', operational: 'up' });
  });

  test('names several servers in the order they were given in', async () => {
    const running = await site(
      'backend a\n  server s1 127.0.0.1:1\n  server s2 127.0.0.1:1\nbackend b\n  server s1 127.0.0.1:1\n',
    );
    const look = await driver(running, 'b/s1', 'a/s2', 'a/s1').look(never);
    expect(look.servers.map(({ name }) => name)).toEqual(['b/s1', 'a/s2', 'a/s1']);
  });

  test('is config, where the configuration disables a server, and only while it is in force', async () => {
    const running = await site('backend app\n  server app1 127.0.0.1:1 disabled\n');
    const balancer = driver(running, 'app/app1');
    expect(await viewOf(balancer)).toMatchObject({ admin: 'maint', origin: 'config', operational: 'down' });
    expect(await balancer.set('app/app1', 'ready', ['maint'], never)).toMatchObject({
      admin: 'ready',
      origin: 'none',
    });
    expect(await viewOf(balancer)).toMatchObject({ admin: 'ready', origin: 'none', operational: 'up' });
    expect(await balancer.set('app/app1', 'drain', ['ready'], never)).toMatchObject({
      admin: 'drain',
      origin: 'forced',
    });
  });

  test('is config, where the address of a server cannot be resolved', async () => {
    const running = await site(
      'resolvers none\n  nameserver n 127.0.0.1:1\nbackend app\n  server app1 nobody.invalid:1 resolvers none init-addr none\n',
    );
    const balancer = driver(running, 'app/app1');
    expect(await viewOf(balancer)).toMatchObject({ admin: 'maint', origin: 'config' });
    expect(await balancer.set('app/app1', 'ready', ['maint'], never)).toMatchObject({
      admin: 'maint',
      origin: 'config',
    });
  });

  test('is inherited, where another server is tracked, and ready does not lift it', async () => {
    const app = keepApp(await startHoldingApp());
    const running = await site(
      `backend checked\n  option httpchk GET /check\n  server c1 127.0.0.1:${app.port} check\n` +
        `backend app\n  server app1 127.0.0.1:${app.port} track checked/c1\n`,
    );
    const balancer = driver(running, 'app/app1');
    for (const admin of ['drain', 'maint'] as const) {
      await running.command(`set server checked/c1 state ${admin}`);
      expect(await viewOf(balancer)).toMatchObject({ admin, origin: 'inherited' });
      const after = await balancer.set('app/app1', 'ready', [admin], never);
      expect(after).toMatchObject({ admin, origin: 'inherited' });
    }
  });

  test('is inherited under a state of ours, and is what ready leaves', async () => {
    const running = await site(
      'backend checked\n  server c1 127.0.0.1:1 check inter 1h\nbackend app\n  server app1 127.0.0.1:1 track checked/c1\n',
    );
    const balancer = driver(running, 'app/app1');
    await balancer.set('app/app1', 'drain', ['ready'], never);
    await running.command('set server checked/c1 state drain');
    expect(await viewOf(balancer)).toMatchObject({ admin: 'drain', origin: 'forced' });
    const after = await balancer.set('app/app1', 'ready', ['drain'], never);
    expect(after).toMatchObject({ admin: 'drain', origin: 'inherited' });
  });

  test('shows what lies over our state, and we may set the state under a MAINT of a tracked server', async () => {
    const running = await site(
      'backend checked\n  server c1 127.0.0.1:1 check inter 1h\nbackend app\n  server app1 127.0.0.1:1 track checked/c1\n',
    );
    const balancer = driver(running, 'app/app1');
    await balancer.set('app/app1', 'drain', ['ready'], never);
    await running.command('set server checked/c1 state maint');
    const covered = (forced: string): object => ({ admin: 'maint', over: { by: 'tracked', forced } });
    // The second look goes by what the first one knew.
    for (let looks = 0; looks < 2; looks += 1) expect(await viewOf(balancer)).toMatchObject(covered('drain'));
    expect(await balancer.set('app/app1', 'ready', ['drain'], never)).toMatchObject(covered('ready'));
    expect(await balancer.set('app/app1', 'drain', ['ready'], never)).toMatchObject(covered('drain'));
    expect(await balancer.set('app/app1', 'maint', ['drain'], never)).not.toHaveProperty('over');
    await running.command('set server checked/c1 state ready');
    expect(await viewOf(balancer)).toMatchObject({ admin: 'maint', origin: 'forced' });
  });

  test('is drain by force, where an operator took the weight away, and no state that we set gives it back', async () => {
    const running = await site('backend app\n  server app1 127.0.0.1:1 weight 10\n');
    const balancer = driver(running, 'app/app1');
    await running.command('set weight app/app1 0');
    const drained = { admin: 'drain', origin: 'forced', operational: 'up', weight: 0 };
    // The second look goes by the row alone.
    expect(await viewOf(balancer)).toMatchObject(drained);
    expect(await viewOf(balancer)).toMatchObject(drained);
    expect(await balancer.set('app/app1', 'maint', ['ready'], never)).toMatchObject(drained);
    expect(await balancer.set('app/app1', 'maint', ['drain'], never)).toMatchObject({ admin: 'maint' });
    expect(await balancer.set('app/app1', 'ready', ['maint'], never)).toMatchObject(drained);
    expect(await running.command('get weight app/app1')).toContain('0 (initial 10)');
    await running.command('set weight app/app1 10');
    expect(await viewOf(balancer)).toMatchObject({ admin: 'ready', origin: 'none' });
  });

  test('is ready, where the configuration itself gives it no weight', async () => {
    const running = await site('backend app\n  server app1 127.0.0.1:1 weight 0\n');
    const balancer = driver(running, 'app/app1');
    expect(await viewOf(balancer)).toMatchObject({ admin: 'ready', origin: 'none', weight: 0 });
    expect(await viewOf(balancer)).toMatchObject({ admin: 'ready', origin: 'none', weight: 0 });
  });

  test('is drain, although DOWN or NOLB hides it in the text', async () => {
    const app = keepApp(await startHoldingApp());
    const running = await site(
      `backend app\n  timeout check 5s\n  option httpchk GET /check\n  http-check disable-on-404\n` +
        `  server app1 127.0.0.1:${app.port} check inter 20ms rise 1 fall 1\n`,
    );
    const balancer = driver(running, 'app/app1');
    await balancer.set('app/app1', 'drain', ['ready'], never);
    await until('a good check', async () => (await statusOf(running)) === 'DRAIN');
    app.status = 404;
    await until('NOLB', async () => (await statusOf(running)) === 'NOLB');
    expect(await viewOf(balancer)).toMatchObject({
      admin: 'drain',
      origin: 'forced',
      operational: 'stopping',
    });
    app.status = 503;
    await until('DOWN', async () => (await statusOf(running)).startsWith('DOWN'));
    expect(await viewOf(balancer)).toMatchObject({ admin: 'drain', origin: 'forced', operational: 'down' });
    await running.command('set server app/app1 state ready');
    expect(await viewOf(balancer)).toMatchObject({ admin: 'ready', origin: 'none', operational: 'down' });
  });

  test('is starting, while a server that was down answers its first checks', async () => {
    const app = keepApp(await startHoldingApp());
    app.status = 503;
    const running = await site(
      `backend app\n  option httpchk GET /check\n  server app1 127.0.0.1:${app.port} check inter 100ms rise 30 fall 1\n`,
    );
    const balancer = driver(running, 'app/app1');
    await until('DOWN', async () => (await viewOf(balancer)).operational === 'down');
    app.status = 200;
    await until('DOWN n/30', async () => (await viewOf(balancer)).operational === 'starting');
  });

  test('is right beside an agent-check that nothing answers', async () => {
    const running = await site(
      'backend app\n  server app1 127.0.0.1:1 check port 1 agent-check agent-port 1 agent-inter 50ms weight 30\n',
    );
    const balancer = driver(running, 'app/app1');
    await until('DOWN', async () => (await statusOf(running)) === 'DOWN');
    expect(await viewOf(balancer)).toMatchObject({ admin: 'ready', operational: 'down', weight: 30 });
    expect(await balancer.set('app/app1', 'drain', ['ready'], never)).toMatchObject({
      admin: 'drain',
      operational: 'down',
    });
  });

  test('counts the answer that its user did not wait for', async () => {
    const lasting = await startLastingApp();
    const port = await freePort();
    // Without the option HAProxy does not count this user: the rest of the answer goes into a closed connection.
    const running = await site(
      `defaults\n  mode http\n  option abortonclose\n  timeout connect 1s\n  timeout client 30s\n  timeout server 30s\n` +
        `frontend web\n  bind 127.0.0.1:${port}\n  default_backend app\n` +
        `backend app\n  server app1 127.0.0.1:${lasting.port}\n`,
    );
    try {
      const balancer = driver(running, 'app/app1');
      const guest = await download(port, '');
      expect((await viewOf(balancer)).counters).toMatchObject({ clientAborts: 0 });
      guest.leave();
      const counters = await until('he was counted', async () => {
        const { counters: now } = await viewOf(balancer);
        return now?.clientAborts === 0 ? undefined : now;
      });
      expect(counters).toMatchObject({ clientAborts: 1, connectionErrors: 0, redispatches: 0, http5xx: 0 });
    } finally {
      await lasting.stop();
    }
  });

  test('has counters in mode tcp too, where nothing answers by HTTP', async () => {
    const running = await site('backend app\n  mode tcp\n  server app1 127.0.0.1:1\n');
    expect((await viewOf(driver(running, 'app/app1'))).counters).toEqual({
      connectionErrors: 0,
      responseErrors: 0,
      redispatches: 0,
      clientAborts: 0,
      http5xx: 0,
    });
  });
});

async function statusOf(running: Haproxy): Promise<string> {
  const row = (await running.command('show stat app 4 -1')).split('\n')[1] ?? '';
  return row.split(',')[17] ?? '';
}
