import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import type { Balancer } from '../../../agent/balancers/balancer.ts';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import type { Look } from '../../../agent/lifecycle/model/observation.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { ask, startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import {
  download,
  openTcp,
  openWebsocket,
  startLastingApp,
  type LastingApp,
} from '../../support/app-with-open-connections.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import { freePort } from '../../support/ports.ts';
import { until } from '../../support/until.ts';

const SERVER = 'app/app1';
const COOKIE = 'SRV=c1';

let app: LastingApp;
let haproxy: Haproxy;
let port: number;
let tcpPort: number;
let config: string;
let balancer: Balancer;

const driver = (master: string | null, servers: readonly string[] = [SERVER, 'wire/w1']): Balancer =>
  createRuntimeBalancer({ address: haproxy.socket, servers, timeoutMs: 5_000, master }, { clock: realClock });

beforeEach(async () => {
  app = await startLastingApp();
  [port, tcpPort] = [await freePort(), await freePort()];
  config = siteConfig(port, tcpPort, app.port);
  haproxy = await startHaproxy(config, { master: true });
  balancer = driver(haproxy.masterSocket);
});
afterEach(async () => {
  await haproxy.stop();
  await app.stop();
});

const look = (): Promise<Look> => balancer.look(never);
const connections = (seen: Look): readonly (number | null)[] => seen.servers.map((view) => view.connections);

/** The next look of which this is true. */
const lookUntil = (what: string, isThere: (seen: Look) => boolean): Promise<Look> =>
  until(what, async () => {
    const seen = await look();
    return isThere(seen) && seen;
  });

/** Reloads, and waits until the old worker takes no more connections: both listen for a moment. */
async function reload(): Promise<number> {
  const old = await haproxy.workerPid();
  const pid = await haproxy.reload();
  const line = `@!${old} show info;quit`;
  await until('the old worker is stopping', async () => {
    return !(await ask(haproxy.masterSocket ?? '', line)).includes('Stopping: 0');
  });
  return pid;
}

/**
 * Waits until all present connections are older than any new one: ages are whole seconds, which two workers count
 * apart.
 */
const aged = (): Promise<true> =>
  until('two seconds', async () => {
    const { oldest } = await balancer.holders(SERVER, never);
    return oldest.every(({ ageSeconds }) => ageSeconds >= 2);
  });

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
    balancer = driver(haproxy.masterSocket, ['first/f1', SERVER]);
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
    balancer = driver('/nowhere/master.sock');
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
      balancer = driver(other.masterSocket);
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

describe('who is at a server', () => {
  test('is told by kind, with the oldest, over all workers, and without a word about the client', async () => {
    const file = await download(port, `${COOKIE}; SID=secret`);
    await openWebsocket(port, COOKIE);
    const first = await haproxy.workerPid();
    const second = await reload();
    await aged();
    for (let count = 0; count < 12; count += 1) await openWebsocket(port, COOKIE);
    const held = await balancer.holders(SERVER, never);
    expect(held).toMatchObject({ requests: 1, tunnels: 13, queued: 0, idle: 0 });
    expect(held.oldest).toHaveLength(10);
    expect(
      held.oldest
        .filter(({ worker }) => worker === first)
        .map(({ kind }) => kind)
        .toSorted(),
    ).toEqual(['request', 'tunnel']);
    expect(new Set(held.oldest.map(({ worker }) => worker))).toEqual(new Set([first, second]));
    const ages = held.oldest.map(({ ageSeconds }) => ageSeconds);
    expect(ages).toEqual(ages.toSorted((one, other) => other - one));
    expect(JSON.stringify(held)).not.toMatch(/127\.0|secret|0x|SRV/);
    app.finish();
    await file.ended;
    // HAProxy takes note of an end a moment after the user does.
    const then = await until('the request is over', async () => {
      const now = await balancer.holders(SERVER, never);
      return now.requests === 0 && now;
    });
    expect(then).toMatchObject({ requests: 0, tunnels: 13 });
  });

  test('is a tunnel in mode tcp, and queued while there is no room', async () => {
    await openTcp(tcpPort);
    await until('the line is through', async () => (await balancer.holders('wire/w1', never)).tunnels === 1);
    for (let count = 0; count < 20; count += 1) await openWebsocket(port, COOKIE);
    // The server takes twenty.
    const late = download(port, COOKIE);
    late.catch(() => undefined);
    await until('a user waits', async () => (await balancer.holders(SERVER, never)).queued === 1);
    expect(await balancer.holders(SERVER, never)).toMatchObject({ requests: 0, tunnels: 20, queued: 1 });
    await balancer.set(SERVER, 'maint', ['ready'], never);
    const { queued } = await balancer.holders(SERVER, never);
    // Newer HAProxys (seen on 3.0.11) hand the queue of a server in MAINT to another one, which answers.
    if (queued === 0) await late;
    await haproxy.stop();
    if (queued > 0) await expect(late).rejects.toThrow();
  });

  test('is not told while an old worker cannot be asked', async () => {
    await openWebsocket(port, COOKIE);
    await reload();
    process.kill(haproxy.pid, 'SIGSTOP');
    try {
      const refusal = await refusalOf(() => balancer.holders(SERVER, never));
      expect(refusal).toMatchObject({ code: 'balancer-unreachable', target: haproxy.masterSocket });
    } finally {
      process.kill(haproxy.pid, 'SIGCONT');
    }
  });

  test('is told to operators only', async () => {
    const { operatorSocket: address } = haproxy;
    const options = { address, servers: [SERVER], timeoutMs: 5_000, readOnly: true };
    const reader = createRuntimeBalancer(options, { clock: realClock });
    expect(await reader.holders(SERVER, never)).toMatchObject({ tunnels: 0, oldest: [] });
  });
});

describe('closing by number', () => {
  test('ends tunnels before requests, the oldest first, on all workers, and no other', async () => {
    const old = await openWebsocket(port, COOKIE);
    const file = await download(port, COOKIE);
    await reload();
    await aged();
    const young = await openWebsocket(port, COOKIE);
    const stranger = await openWebsocket(port, 'SRV=c2');
    await balancer.set(SERVER, 'maint', ['ready'], never);
    expect(await balancer.closeSessions(SERVER, 1, never)).toEqual({ tunnels: 1, requests: 0, left: 2 });
    await old.ended;
    await lookUntil('two are left', (seen) => connections(seen)[0] === 2);
    expect(await balancer.closeSessions(SERVER, 2, never)).toEqual({ tunnels: 1, requests: 1, left: 0 });
    await young.ended;
    expect(await file.ended).toBe('half');
    await lookUntil('no user is left', (seen) => connections(seen)[0] === 0);
    expect(await balancer.closeSessions(SERVER, 5, never)).toEqual({ tunnels: 0, requests: 0, left: 0 });
    expect(await balancer.holders('app/app2', never).catch(({ code }: { code: string }) => code)).toBe(
      'no-such-server',
    );
    const others = driver(haproxy.masterSocket, ['app/app2']);
    expect(await others.holders('app/app2', never)).toMatchObject({ tunnels: 1 });
    stranger.leave();
  });

  test('without a limit ends all, also on old workers', async () => {
    const guests = [await openWebsocket(port, COOKIE), await download(port, COOKIE)];
    await reload();
    guests.push(await openWebsocket(port, COOKIE), await openWebsocket(port, COOKIE));
    await balancer.set(SERVER, 'maint', ['ready'], never);
    expect(await balancer.closeSessions(SERVER, Infinity, never)).toEqual({
      tunnels: 3,
      requests: 1,
      left: 0,
    });
    await Promise.all(guests.map(({ ended }) => ended));
    await lookUntil('no user is left', (seen) => connections(seen)[0] === 0);
  });

  test('ends what it can while the master is silent, and says that it does not know who is left', async () => {
    const old = await openWebsocket(port, COOKIE);
    await reload();
    const young = await openWebsocket(port, COOKIE);
    await balancer.set(SERVER, 'maint', ['ready'], never);
    process.kill(haproxy.pid, 'SIGSTOP');
    try {
      const closed = await balancer.closeSessions(SERVER, Infinity, never);
      expect(closed).toEqual({ tunnels: 1, requests: 0, left: null });
      await young.ended;
    } finally {
      process.kill(haproxy.pid, 'SIGCONT');
    }
    expect(connections(await lookUntil('an answer', ({ unseen }) => unseen === null))[0]).toBe(1);
    old.leave();
  });

  test('ends more than one line of commands can hold', async () => {
    await haproxy.rewrite(config.replace('maxconn 20', 'maxconn 200'));
    await reload();
    const guests = await Promise.all(Array.from({ length: 120 }, () => openWebsocket(port, COOKIE)));
    await balancer.set(SERVER, 'maint', ['ready'], never);
    expect(await balancer.closeSessions(SERVER, 110, never)).toEqual({ tunnels: 110, requests: 0, left: 10 });
    await lookUntil('ten are left', (seen) => connections(seen)[0] === 10);
    for (const guest of guests) guest.leave();
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

  test('has those whom the old worker serves: they are told, and closed, and no other is', async () => {
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
    for (const scope of ['reload', 'stickiness'] as const) {
      const survey = await balancer.survey(never, scope);
      expect(survey.facts.map(({ name }) => name)).toEqual(['wire/w1']);
      expect(survey.servers).toMatchObject([
        { name: SERVER, absent: expect.stringContaining('was removed'), connections: 1 },
        { name: 'wire/w1' },
      ]);
    }
    expect(await refusalOf(() => balancer.survey(never))).toMatchObject({ code: 'no-such-server' });
    user.leave();
  });
});

function siteConfig(http: number, tcp: number, appPort: number): string {
  return `
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout queue 60s
  timeout tunnel 60s
listen app
  bind 127.0.0.1:${http}
  cookie SRV insert indirect nocache
  server app1 127.0.0.1:${appPort} cookie c1 maxconn 20
  server app2 127.0.0.1:${appPort} cookie c2
listen wire
  mode tcp
  bind 127.0.0.1:${tcp}
  server w1 127.0.0.1:${appPort}
`;
}
