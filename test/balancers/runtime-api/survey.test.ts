import { describe, expect, test } from '@jest/globals';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import type { Balancer } from '../../../agent/balancers/balancer.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { startHaproxy } from '../../support/haproxy.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import { freePort } from '../../support/ports.ts';
import { DEFAULTS, driver, site, viewOf, keepHaproxy } from '../../support/runtime-driver.ts';

const reader = (address: string, ...servers: readonly string[]): Balancer =>
  createRuntimeBalancer({ address, servers, timeoutMs: 5_000, readOnly: true }, { clock: realClock });

test('a balancer that is only read refuses each write', async () => {
  const running = await site('backend app\n  server a1 127.0.0.1:1\n');
  const only = reader(running.socket, 'app/a1');
  const refused = [
    await refusalOf(() => only.set('app/a1', 'drain', ['ready'], never)),
    await refusalOf(() => only.putBack?.('app/a1', 'maint', ['ready'], never)),
    await refusalOf(() => only.setWeight?.('app/a1', { weight: 2, full: 2, mayReplace: [1] }, never)),
  ];
  expect(refused.map(({ code }) => code)).toEqual(['not-permitted', 'not-permitted', 'not-permitted']);
  expect(await viewOf(driver(running, 'app/a1'))).toMatchObject({ admin: 'ready', weight: 1 });
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

  test('finds the servers that track ours, through others too, and those with its address in whatever way it is written', async () => {
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
    expect(survey.onOurHost?.map(({ name, of, servedAt }) => [name, of, servedAt])).toEqual([
      ['app/app2', 'app/app1', 'port 82'],
      ['api/six', 'app/app1', '[::1]:81'],
      ['api/port', 'app/app1', 'port 82'],
    ]);
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

  test('refuses a socket of level operator, whose commands HAProxy would refuse later', async () => {
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
    const haproxy = keepHaproxy(
      await startHaproxy(
        (dir) =>
          `global\n  stats socket ${user(dir)} level user\n${DEFAULTS}backend app\n  cookie SRV insert\n  server app1 127.0.0.1:1 cookie c1\n`,
      ),
    );
    expect(await factOf(reader(user(haproxy.dir), 'app/app1'))).toMatchObject({
      usable: true,
      sticky: 'a socket of level user does not show what binds them',
    });
    const { blind } = await reader(user(haproxy.dir), 'app/app1').survey(never);
    expect(blind).toContain('shows no addresses');
  });

  test('reads a socket that puts a severity before its messages', async () => {
    const haproxy = keepHaproxy(
      await startHaproxy(
        (dir) =>
          `global\n  stats socket ${dir}/severe.sock level admin severity-output number\n${DEFAULTS}backend app\n  server app1 127.0.0.1:1\n`,
      ),
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
