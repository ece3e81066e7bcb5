import { afterEach, describe, expect, test } from '@jest/globals';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import type { Balancer } from '../../../agent/balancers/balancer.ts';
import type { ServerView } from '../../../agent/lifecycle/model/observation.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { answerOn, startFake } from '../../support/fake-haproxy.ts';
import { ask, isFrom, startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import { startHoldingApp, type HoldingApp } from '../../support/long-request-app.ts';
import { download, startLastingApp } from '../../support/app-with-open-connections.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import { freePort } from '../../support/ports.ts';
import { skipped } from '../../support/skip.ts';
import { until } from '../../support/until.ts';

const DEFAULTS = `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
`;

let haproxy: Haproxy | undefined;
let app: HoldingApp | undefined;
afterEach(async () => {
  await haproxy?.stop();
  await app?.stop();
  haproxy = app = undefined;
});

async function site(config: string, options: { master?: boolean } = {}): Promise<Haproxy> {
  haproxy = await startHaproxy(DEFAULTS + config, options);
  return haproxy;
}

const driver = ({ socket }: { socket: string }, ...servers: readonly string[]): Balancer =>
  createRuntimeBalancer({ address: socket, servers, timeoutMs: 5_000 }, { clock: realClock });

const reader = (address: string, ...servers: readonly string[]): Balancer =>
  createRuntimeBalancer({ address, servers, timeoutMs: 5_000, readOnly: true }, { clock: realClock });

async function viewOf(balancer: Balancer): Promise<ServerView> {
  const [view] = (await balancer.look(never)).servers;
  if (view === undefined) throw new Error('no server in the look');
  return view;
}

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
    app = await startHoldingApp();
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

  test('is inherited under our own word, and is what ready leaves', async () => {
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

  test('is told with what lies over it, and is ours to set under a MAINT of a tracked server', async () => {
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

  test('is drain by force, where an operator took the weight away, and no word of ours gives it back', async () => {
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
    app = await startHoldingApp();
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
    app = await startHoldingApp();
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

describe('the survey', () => {
  const factOf = async (balancer: Balancer) => {
    const [fact] = (await balancer.survey(never)).facts;
    if (fact === undefined) throw new Error('no fact in the survey');
    return fact;
  };

  test('counts others by their role, and only those that take new users', async () => {
    const running = await site(`
backend app
  server a1 127.0.0.1:1
  server a2 127.0.0.1:1
  server a3 127.0.0.1:1
  server off 127.0.0.1:1 disabled
  server idle 127.0.0.1:1 weight 0
  server b1 127.0.0.1:1 backup
  server b2 127.0.0.1:1 backup
`);
    expect(await factOf(driver(running, 'app/a1'))).toMatchObject({ usable: true, usableOthers: 2 });
    // A backup stands in for the active ones too.
    expect(await factOf(driver(running, 'app/b1'))).toMatchObject({ usable: true, usableOthers: 4 });
    expect(await factOf(driver(running, 'app/a1'))).toMatchObject({
      standbys: ['app/b1', 'app/b2'],
      missing: ['app/off (MAINT)', 'app/idle (no check, weight 0)'],
    });
    // The node's own are no others.
    const two = await driver(running, 'app/a1', 'app/a2', 'app/b1').survey(never);
    expect(two.facts).toMatchObject([{ usableOthers: 1 }, { usableOthers: 1 }, { usableOthers: 2 }]);
    expect(two.facts[0]?.standbys).toEqual(['app/b2']);
    expect(await factOf(driver(running, 'app/off'))).toMatchObject({ usable: false, usableOthers: 3 });
    expect(await factOf(driver(running, 'app/idle'))).toMatchObject({ usable: false, usableOthers: 3 });
    await running.command('set server app/a2 state drain');
    expect(await factOf(driver(running, 'app/a1'))).toMatchObject({ usable: true, usableOthers: 1 });
    expect(await factOf(driver(running, 'app/a2'))).toMatchObject({ usable: false, usableOthers: 2 });
  });

  test.each([
    ['roundrobin', null],
    ['leastconn', null],
    ['static-rr', null],
    ['first', null],
    // No version names it; a backend without `balance` has it from 3.3 on.
    ['random', null],
    ['rdp-cookie', 'balance rdp-cookie'],
  ])('tells by `balance %s` whether users are bound: %s', async (algorithm, sticky) => {
    const mode = algorithm === 'rdp-cookie' ? '  mode tcp\n' : '';
    const running = await site(`backend app\n${mode}  balance ${algorithm}\n  server app1 127.0.0.1:1\n`);
    expect(await factOf(driver(running, 'app/app1'))).toMatchObject({ sticky, hashed: null });
  });

  test.each(['source', 'uri', 'hdr(x-user)', 'url_param user', 'hash req.cook(user)'])(
    'tells that `balance %s` alone binds them, unless a cookie does, or a table holds an entry of ours',
    async (algorithm) => {
      const word = `balance ${algorithm.split(/[( ]/)[0] ?? ''}`;
      const running = await site(
        `backend app\n  balance ${algorithm}\n  server app1 127.0.0.1:1\n` +
          `backend kept\n  cookie SRV insert\n  balance ${algorithm}\n  server app1 127.0.0.1:1 cookie c1\n`,
      );
      expect(await factOf(driver(running, 'app/app1'))).toMatchObject({ sticky: null, hashed: word });
      expect(await factOf(driver(running, 'kept/app1'))).toMatchObject({ sticky: 'cookie', hashed: null });
    },
  );

  test('takes mode tcp for sticky where neither a table nor a hash tells', async () => {
    const running = await site(
      'backend app\n  mode tcp\n  balance leastconn\n  server app1 127.0.0.1:1\n' +
        'backend hashed\n  mode tcp\n  balance source\n  server app1 127.0.0.1:1\n',
    );
    const { sticky } = await factOf(driver(running, 'app/app1'));
    expect(sticky).toContain('mode tcp');
    expect(await factOf(driver(running, 'hashed/app1'))).toMatchObject({
      sticky: null,
      hashed: 'balance source',
    });
  });

  test.each([
    ['cookie SRV insert indirect', 'cookie c1', 'cookie'],
    ['cookie SRV insert dynamic\n  dynamic-cookie-key k', '', 'cookie'],
    ['cookie SRV insert indirect', '', null],
    ['balance roundrobin', 'cookie c1', null],
  ])('tells by %j with a server of %j: %s', async (backend, server, sticky) => {
    const running = await site(`backend app\n  ${backend}\n  server app1 127.0.0.1:1 ${server}\n`);
    expect(await factOf(driver(running, 'app/app1'))).toMatchObject({ sticky });
  });

  test('takes a stick table for one that binds users by its name, or by an entry of ours', async () => {
    const port = await freePort();
    const answers = await freePort();
    const running = await site(
      `frontend fe\n  bind 127.0.0.1:${port}\n  default_backend app\n` +
        `frontend application\n  bind 127.0.0.1:${answers}\n  http-request return status 200\n` +
        'backend rates\n  stick-table type ip size 1k store http_req_cnt\n' +
        'backend users\n  stick-table type string size 1k\n' +
        'backend named\n  stick-table type string size 1k store server_id\n  server app1 127.0.0.1:1\n' +
        `backend app\n  stick on req.cook(U) table users\n  balance source\n  server app1 127.0.0.1:${answers}\n` +
        'backend free\n  stick on req.cook(U) table users\n  server app1 127.0.0.1:1\n' +
        'backend others\n  server app9 127.0.0.1:9\n',
    );
    const free = await driver(running, 'free/app1').survey(never);
    expect(free.facts).toMatchObject([{ sticky: null }]);
    expect(free.foreignTables.toSorted()).toEqual(['named', 'users']);
    expect(await factOf(driver(running, 'named/app1'))).toMatchObject({ sticky: 'stick table named' });
    expect(await factOf(driver(running, 'app/app1'))).toMatchObject({ hashed: 'balance source' });
    await (await fetch(`http://127.0.0.1:${port}`, { headers: { cookie: 'U=alice' } })).text();
    expect(await factOf(driver(running, 'free/app1'))).toMatchObject({ sticky: 'stick table users' });
    expect(await factOf(driver(running, 'app/app1'))).toMatchObject({
      sticky: 'stick table users',
      hashed: null,
    });
    expect(await factOf(driver(running, 'others/app9'))).toMatchObject({ sticky: null });
  });

  test('finds who tracks ours, through others too, and who has its address in whatever way it is written', async () => {
    const running = await site(
      'backend app\n  server app1 127.0.0.1:81 check inter 1h\n  server app2 127.0.0.1:82\n' +
        '  server mirror 127.0.0.1:83 track app/app1\n' +
        'backend ws\n  server a 127.0.0.1:84 track app/app1\n  server b 127.0.0.1:85 track ws/a\n' +
        'backend api\n  server mapped [::ffff:127.0.0.1]:81\n  server six [::1]:81\n  server port 127.0.0.1:82\n' +
        '  server un unix@/nowhere.sock\n  server p0 127.0.0.1\n  server any 0.0.0.0:81\n' +
        'backend slots\n  server-template slot 1-2 127.0.0.1:81 disabled\n',
    );
    const survey = await driver(running, 'app/app1').survey(never);
    expect(survey.relatives).toEqual([
      { name: 'app/mirror', of: 'app/app1', by: 'track', role: 'active', usable: expect.any(Boolean) },
      { name: 'ws/a', of: 'app/app1', by: 'track', role: 'active', usable: expect.any(Boolean) },
      { name: 'ws/b', of: 'app/app1', by: 'track', role: 'active', usable: expect.any(Boolean) },
      { name: 'api/mapped', of: 'app/app1', by: 'address', role: 'active', usable: true },
      { name: 'slots/slot1', of: 'app/app1', by: 'address', role: 'active', usable: false, isShut: true },
      { name: 'slots/slot2', of: 'app/app1', by: 'address', role: 'active', usable: false, isShut: true },
    ]);
    expect(survey.uncompared).toEqual(['api/un', 'api/p0', 'api/any']);
    // `mirror` goes where app1 goes, so it is no other.
    expect(survey.facts).toMatchObject([{ usableOthers: 1 }]);
    const listed = await driver(running, 'app/app1', 'app/mirror', 'ws/a').survey(never);
    expect(listed.relatives?.map(({ name }) => name)).toEqual([
      'ws/b',
      'api/mapped',
      'slots/slot1',
      'slots/slot2',
    ]);
    // A server that follows a foreign one is no relative of ours.
    expect((await driver(running, 'ws/b').survey(never)).relatives).toEqual([]);
  });

  test('refuses a socket of level operator, whose words HAProxy would refuse later', async () => {
    const running = await site('backend app\n  cookie SRV insert\n  server app1 127.0.0.1:1 cookie c1\n');
    const limited = driver({ socket: running.operatorSocket }, 'app/app1');
    const refusal = await refusalOf(() => limited.survey(never));
    expect(refusal).toMatchObject({ code: 'not-permitted', target: running.operatorSocket });
    expect(refusal.message).toContain('operator');
    expect(await refusalOf(() => limited.set('app/app1', 'drain', ['ready'], never))).toMatchObject({
      code: 'not-permitted',
    });
    expect(await refusalOf(() => limited.closeSessions('app/app1', Infinity, never))).toMatchObject({
      code: 'not-permitted',
    });
    expect(await viewOf(limited)).toMatchObject({ admin: 'ready', connections: 0 });
    expect(await factOf(reader(running.operatorSocket, 'app/app1'))).toMatchObject({ sticky: 'cookie' });
  });

  test('cannot tell what binds users over a socket of level user', async () => {
    const user = (dir: string): string => `${dir}/user.sock`;
    haproxy = await startHaproxy(
      (dir) =>
        `global\n  stats socket ${user(dir)} level user\n${DEFAULTS}backend app\n  cookie SRV insert\n  server app1 127.0.0.1:1 cookie c1\n`,
    );
    expect(await factOf(reader(user(haproxy.dir), 'app/app1'))).toMatchObject({
      usable: true,
      sticky: 'a socket of level user does not show what binds them',
    });
    const { blind } = await reader(user(haproxy.dir), 'app/app1').survey(never);
    expect(blind).toContain('shows no addresses');
  });

  test('reads a socket that puts a severity before its messages', async () => {
    haproxy = await startHaproxy(
      (dir) =>
        `global\n  stats socket ${dir}/severe.sock level admin severity-output number\n${DEFAULTS}backend app\n  server app1 127.0.0.1:1\n`,
    );
    const severe = driver({ socket: `${haproxy.dir}/severe.sock` }, 'app/app1');
    expect(await factOf(severe)).toMatchObject({ usable: true, sticky: null });
    expect(await severe.set('app/app1', 'drain', ['ready'], never)).toMatchObject({ admin: 'drain' });
    expect(
      await refusalOf(() =>
        driver({ socket: `${haproxy?.dir ?? ''}/severe.sock` }, 'app/nobody').survey(never),
      ),
    ).toMatchObject({
      code: 'no-such-server',
    });
  });
});

async function statusOf(running: Haproxy): Promise<string> {
  const row = (await running.command('show stat app 4 -1')).split('\n')[1] ?? '';
  return row.split(',')[17] ?? '';
}
