import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { startHaproxy } from '../../support/haproxy.ts';
import { download, openTcp, openWebsocket } from '../../support/app-with-open-connections.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import { freePort } from '../../support/ports.ts';
import { until } from '../../support/until.ts';
import {
  COOKIE,
  SERVER,
  app,
  balancer,
  config,
  connections,
  driver,
  haproxy,
  look,
  lookUntil,
  port,
  reload,
  siteConfig,
  tcpPort,
  setBalancer,
} from '../../support/reloaded-haproxy.ts';

/** SIGSTOP, until it stands still: on a busy machine it may answer once more before. */
async function stopProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await until(`process ${pid} is stopped`, () =>
    Promise.resolve(/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))),
  );
}

describe('workers of before a reload', () => {
  test('are counted from the first look at the new one, over two reloads, until the last user is gone', async () => {
    const file = await download(port, COOKIE);
    const socket = await openWebsocket(port, COOKIE);
    const line = await openTcp(tcpPort);
    expect(await look()).toMatchObject({ workers: 1, unseen: null });
    expect(connections(await look())).toEqual([2, 1]);
    const blind = driver(null);
    expect([balancer.seesOldWorkers, blind.seesOldWorkers]).toEqual([true, false]);
    for (let round = 0; round < 2; round += 1) {
      const pid = await haproxy.reload();
      // A worker that ends while it is asked makes one look unknown, and none a smaller count.
      await lookUntil('they are counted', (seen) => {
        expect(seen.worker).toEqual({ pid, bornAt: expect.any(Number) });
        expect(connections(seen)).toEqual(seen.unseen === null ? [2, 1] : [null, null]);
        return seen.unseen === null;
      });
      // Without a master they are seen in /proc, and what they hold is not known.
      const { uncounted, servers } = await blind.look(never);
      expect(uncounted?.length).toBeGreaterThan(0);
      expect(servers).toMatchObject([{ connections: 0 }, {}]);
    }
    // The worker of between the reloads has no connection and ends by itself.
    const two = await lookUntil('two workers', ({ workers, unseen }) => workers === 2 && unseen === null);
    expect(connections(two)).toEqual([2, 1]);
    app.finish();
    expect(await file.ended).toBe('halfhalf');
    await lookUntil('one user of app', (seen) => connections(seen)[0] === 1);
    socket.leave();
    await lookUntil('no user of app', (seen) => connections(seen)[0] === 0);
    expect(connections(await look())).toEqual([0, 1]);
    line.leave();
    const last = await lookUntil('one worker', ({ workers }) => workers === 1);
    expect(connections(last)).toEqual([0, 0]);
  });

  test('count in what a write answers, too', async () => {
    await openWebsocket(port, COOKIE);
    await haproxy.reload();
    const view = await balancer.set(SERVER, 'drain', ['ready'], never);
    expect(view).toMatchObject({ admin: 'drain', connections: 1 });
    expect((await balancer.survey(never)).servers[0]).toMatchObject({ connections: 1 });
  });

  test('are found where the servers have other places in the new configuration', async () => {
    await openWebsocket(port, COOKIE);
    await look();
    await haproxy.rewrite(config.replace('listen app', 'backend first\n  server f1 127.0.0.1:9\nlisten app'));
    await haproxy.reload();
    expect(connections(await look())).toEqual([1, 0]);
    // A server that the old worker did not have has no connection there.
    setBalancer(driver(haproxy.masterSocket, ['first/f1', SERVER]));
    expect(connections(await look())).toEqual([0, 1]);
  });

  test('are not asked for where there are none: a master that is stopped then takes nothing away', async () => {
    await look();
    process.kill(haproxy.pid, 'SIGSTOP');
    try {
      expect(await look()).toMatchObject({ workers: 1, unseen: null });
      expect(connections(await look())).toEqual([0, 0]);
    } finally {
      process.kill(haproxy.pid, 'SIGCONT');
    }
  });

  test('are unknown, not zero, while the master or one of them does not answer', async () => {
    await openWebsocket(port, COOKIE);
    await look();
    const old = await haproxy.workerPid();
    await haproxy.reload();
    for (const pid of [haproxy.pid, old]) {
      await stopProcess(pid);
      const seen = await look();
      expect(seen).toMatchObject({ workers: null, unseen: expect.stringContaining('no answer') });
      expect(connections(seen)).toEqual([null, null]);
      expect(seen.servers[0]).toMatchObject({ admin: 'ready', queued: 0 });
      expect((await refusalOf(() => balancer.survey(never))).code).toBe('balancer-unreachable');
      process.kill(pid, 'SIGCONT');
      expect(connections(await lookUntil('an answer', ({ unseen }) => unseen === null))).toEqual([1, 0]);
    }
  });

  test('are unknown where the master socket is missing, or is another HAProxy', async () => {
    await openWebsocket(port, COOKIE);
    setBalancer(driver('/nowhere/master.sock'));
    // Where /proc shows that there is no old worker, no master is asked.
    expect(await look()).toMatchObject({ workers: 1, unseen: null, uncounted: [] });
    const old = await haproxy.workerPid();
    await haproxy.reload();
    expect(await look()).toMatchObject({ unseen: expect.stringContaining('does not exist') });
    expect(await balancer.look(never, 'leave')).toMatchObject({ workers: 2, unseen: null, uncounted: [old] });
    const other = await startHaproxy(siteConfig(await freePort(), await freePort(), app.port), {
      master: true,
    });
    try {
      setBalancer(driver(other.masterSocket));
      expect(await look()).toMatchObject({
        workers: null,
        unseen: expect.stringContaining("Can't find the target PID"),
      });
      expect((await refusalOf(() => balancer.survey(never))).next).toContain('-S');
    } finally {
      await other.stop();
    }
  });

  test('do not come from a reload that failed', async () => {
    await openWebsocket(port, COOKIE);
    const pid = await haproxy.workerPid();
    await haproxy.rewrite('listen app\n  no such word\n');
    await haproxy.reloadInVain();
    await until('the master is there again', async () => {
      const seen = await look();
      return seen.unseen === null && seen;
    });
    expect(await look()).toMatchObject({ worker: { pid }, workers: 1 });
    expect(connections(await look())).toEqual([1, 0]);
    await haproxy.rewrite(config);
    await haproxy.reload();
    expect(connections(await look())).toEqual([1, 0]);
  });

  test('leave no descriptor open, over ten quick reloads', async () => {
    await openWebsocket(port, COOKIE);
    await look();
    const before = readdirSync('/proc/self/fd').length;
    for (let round = 0; round < 10; round += 1) {
      await haproxy.reload();
      // As above: the worker before it has no connection, and ends.
      await lookUntil('he is counted', (seen) => {
        expect(connections(seen)[0]).toBe(seen.unseen === null ? 1 : null);
        return seen.unseen === null;
      });
    }
    await lookUntil('two workers', ({ workers }) => workers === 2);
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
  });
});

describe('a server that a reload removed', () => {
  const remove = async (): Promise<number> => {
    await look();
    await haproxy.rewrite(config.replace(/^ *server app1 .*\n/m, ''));
    const old = await haproxy.workerPid();
    await reload();
    return old;
  };

  test('has the connections that the old worker serves: they are reported and closed, and no other is', async () => {
    const [file, socket] = [await download(port, COOKIE), await openWebsocket(port, COOKIE)];
    const old = await remove();
    const stranger = await openWebsocket(port, 'SRV=c2');
    const seen = await look();
    expect(seen.servers[0]).toMatchObject({ absent: expect.stringContaining('was removed'), connections: 2 });
    const held = await balancer.holders(SERVER, never);
    expect(held).toMatchObject({ requests: 1, tunnels: 1, queued: 0, idle: 0 });
    expect(held.oldest.map(({ worker }) => worker)).toEqual([old, old]);
    expect(await balancer.closeSessions(SERVER, 1, never)).toEqual({ tunnels: 1, requests: 0, left: 1 });
    await socket.ended;
    expect(await balancer.closeSessions(SERVER, Infinity, never)).toEqual({
      tunnels: 0,
      requests: 1,
      left: 0,
    });
    expect(await file.ended).toBe('half');
    await lookUntil('no user is left', (now) => connections(now)[0] === 0);
    expect(await balancer.holders(SERVER, never)).toMatchObject({ requests: 0, tunnels: 0, oldest: [] });
    expect(await balancer.closeSessions(SERVER, Infinity, never)).toEqual({
      tunnels: 0,
      requests: 0,
      left: 0,
    });
    expect(await driver(haproxy.masterSocket, ['app/app2']).holders('app/app2', never)).toMatchObject({
      tunnels: 1,
    });
    stranger.leave();
  });

  test('binds no user when it is asked again in an operation, and keeps a new one from beginning', async () => {
    const user = await openWebsocket(port, COOKIE);
    await remove();
    for (const scope of ['reload', 'relatives'] as const) {
      const survey = await balancer.survey(never, scope);
      expect(survey.facts.map(({ name }) => name)).toEqual(scope === 'reload' ? ['wire/w1'] : []);
      expect(survey.servers).toMatchObject([
        { name: SERVER, absent: expect.stringContaining('was removed'), connections: 1 },
        { name: 'wire/w1' },
      ]);
    }
    expect(await refusalOf(() => balancer.survey(never))).toMatchObject({ code: 'no-such-server' });
    user.leave();
  });
});
