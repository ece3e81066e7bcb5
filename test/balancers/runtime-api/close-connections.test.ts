import { describe, expect, test } from '@jest/globals';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { download, openTcp, openWebsocket } from '../../support/app-with-open-connections.ts';
import { never, refusalOf } from '../../support/outcome.ts';
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
  lookUntil,
  port,
  reload,
  tcpPort,
} from '../../support/reloaded-haproxy.ts';

/**
 * Waits until all present connections are older than any new one: ages are whole seconds, which two workers count
 * apart.
 */
const aged = (): Promise<true> =>
  until('two seconds', async () => {
    const { oldest } = await balancer.holders(SERVER, never);
    return oldest.every(({ ageSeconds }) => ageSeconds >= 2);
  });

describe('The connections at a server', () => {
  test('are listed by kind, with the oldest, over all workers, and without anything about the client', async () => {
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

  test('are tunnels in mode tcp, and queued while there is no room', async () => {
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

  test('are not listed while an old worker cannot be asked', async () => {
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

  test('are listed through an operator’s socket only', async () => {
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

  test('ends what it can while the master is silent, and reports that the number left is unknown', async () => {
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
