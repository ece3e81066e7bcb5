import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { Balancer } from '../../../agent/balancers/balancer.ts';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import type { Sibling } from '../../../agent/lifecycle/model/survey.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { answerOn, startFake, type FakeHaproxy } from '../../support/fake-haproxy.ts';
import { ask, startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import { freePort } from '../../support/ports.ts';
import { until } from '../../support/until.ts';

/** How many others are usable: what `act` and `bck` of the BACKEND row count, on a real HAProxy. */

const DEFAULTS = 'defaults\n  mode http\n  timeout connect 1s\n  timeout client 30s\n  timeout server 30s\n';

let haproxy: Haproxy;
let userSocket: string;
let fake: FakeHaproxy | undefined;
beforeAll(async () => {
  const many = Array.from({ length: 300 }, (_none, index) => `  server s${index + 1} 127.0.0.1:1\n`).join('');
  const port = await freePort();
  haproxy = await startHaproxy((dir) => {
    userSocket = join(dir, 'user.sock');
    return (
      `global\n  stats socket ${userSocket} mode 600 level user\n${DEFAULTS}frontend here\n  bind 127.0.0.1:${port}\n` +
      `backend app\n  server app1 127.0.0.1:${port} check inter 1s\n  server app2 127.0.0.1:2\n  server app3 127.0.0.1:3\n` +
      '  server dead 127.0.0.1:1 check inter 1s fall 1\n' +
      `  server same 127.0.0.1:${port}\n  server follows 127.0.0.1:5 track app/app1\n` +
      '  server further 127.0.0.1:6 track app/follows\n' +
      '  server spare1 127.0.0.1:7 backup\n  server spare2 127.0.0.1:8 backup\n' +
      `backend large\n  server app1 127.0.0.1:1\n${many}`
    );
  });
  await until('the dead one is seen', async () => (await status('dead')).startsWith('DOWN'));
});
afterEach(async () => {
  await fake?.stop();
  fake = undefined;
  for (const name of ['app1', 'app2', 'app3', 'spare1', 'spare2', 'follows'])
    await haproxy.command(`set server app/${name} state ready`);
  await haproxy.command('set server app/app2 weight 100%');
});
afterAll(() => haproxy.stop());

const status = async (name: string): Promise<string> =>
  new RegExp(`^app,${name},(?:[^,]*,){15}([^,]*),`, 'm').exec(
    await haproxy.command('show stat app 4 -1'),
  )?.[1] ?? '';

function driver(servers: readonly string[], address = haproxy.socket): Balancer {
  return createRuntimeBalancer({ address, servers, timeoutMs: 5_000, readOnly: true }, { clock: realClock });
}

const capacityOf = async (balancer: Balancer) => (await balancer.look(never, 'count', 'capacity')).capacity;

/** The count in app1's row alone. */
async function others(): Promise<number | null | undefined> {
  return (await capacityOf(driver(['app/app1'])))?.[0]?.usableOthers;
}

describe('usable others', () => {
  // app2, app3, the one of the same address, and the two that track ours: no row tells those apart.
  test('are counted without our own server, in whatever state it is, and without one that is DOWN', async () => {
    expect(await capacityOf(driver(['app/app1']))).toEqual([
      { name: 'app/app1', role: 'active', usableOthers: 5, usableBackups: 2 },
    ]);
    for (const state of ['drain', 'maint']) {
      await haproxy.command(`set server app/app1 state ${state}`);
      // With ours go the two that track it.
      expect(await others()).toBe(3);
    }
  });

  test.each([
    ['in DRAIN', 'set server app/app2 state drain'],
    ['in MAINT', 'set server app/app2 state maint'],
    ['of weight 0', 'set server app/app2 weight 0'],
  ])('are one fewer with one %s', async (_how, command) => {
    expect(await others()).toBe(5);
    await haproxy.command(command);
    expect(await others()).toBe(4);
  });

  test('of a backup are the active ones and the other backups', async () => {
    const [spare] = (await capacityOf(driver(['app/spare1']))) ?? [];
    expect(spare).toEqual({ name: 'app/spare1', role: 'backup', usableOthers: 7, usableBackups: 0 });
    await haproxy.command('set server app/spare2 state maint');
    expect((await capacityOf(driver(['app/app1'])))?.[0]?.usableBackups).toBe(1);
  });

  test('are without all of our own, where several are in one backend', async () => {
    const two = driver(['app/app1', 'app/app2', 'large/app1']);
    expect((await capacityOf(two))?.map(({ usableOthers }) => usableOthers)).toEqual([4, 4, 300]);
    await haproxy.command('set server app/app2 state drain');
    expect((await capacityOf(two))?.map(({ usableOthers }) => usableOthers)).toEqual([4, 4, 300]);
  });

  test.each(['operator', 'user'])('are counted through a socket of level %s', async (level) => {
    const address = level === 'user' ? userSocket : haproxy.operatorSocket;
    expect((await capacityOf(driver(['app/app1'], address)))?.[0]?.usableOthers).toBe(5);
  });

  test('are not counted where no capacity is asked for, and never of a server that is not there', async () => {
    expect(await driver(['app/app1']).look(never)).not.toHaveProperty('capacity');
    expect(await capacityOf(driver(['app/gone']))).toEqual([]);
  });
});

describe('on the wire', () => {
  const between = (change: (answer: string) => string): Promise<FakeHaproxy> =>
    startFake((line, socket) => {
      void (async () => answerOn(socket, change(await ask(haproxy.socket, line))))();
    });

  test('it is one connection with one short line, and one row more, however many servers there are', async () => {
    const answers: string[] = [];
    fake = await between((answer) => (answers.push(answer), answer));
    const balancer = driver(['large/app1'], fake.path);
    await capacityOf(balancer);
    const before = fake.received.length;
    await capacityOf(balancer);
    await balancer.look(never);
    expect(fake.received.slice(before)).toEqual([
      expect.stringMatching(/^show info;show stat #\d+ 6 1\n$/),
      expect.stringMatching(/^show info;show stat #\d+ 4 1\n$/),
    ]);
    const [asked = '', own = ''] = answers.slice(-2);
    expect(asked.split('\n')).toHaveLength(own.split('\n').length + 1);
    // 240 to 320 bytes on 2.6.12 to 3.2.26.
    expect(asked.length - own.length).toBeLessThan(600);
  });

  test.each([
    ['has no number', (answer: string) => answer.replace(/^(app,BACKEND,(?:[^,]*,){17})\d+/m, '$1')],
    ['does not come', (answer: string) => answer.replace(/^app,BACKEND,.*\n/m, '')],
    ['is of another backend', (answer: string) => answer.replace(/^app,BACKEND,/m, 'shop,BACKEND,')],
    [
      'counts fewer than ours',
      (answer: string) => answer.replace(/^(app,BACKEND,(?:[^,]*,){17})\d+/m, '$10'),
    ],
  ])(
    'it is unknown where the row of the backend %s, and the look is good all the same',
    async (_how, change) => {
      fake = await between(change);
      const look = await driver(['app/app1'], fake.path).look(never, 'count', 'capacity');
      expect(look.servers).toMatchObject([{ name: 'app/app1', admin: 'ready', connections: 0 }]);
      expect(look.capacity?.[0]?.usableOthers).toBeNull();
    },
  );
});

describe('the siblings', () => {
  const siblings = async (...servers: readonly string[]): Promise<readonly Sibling[] | undefined> =>
    (await driver(servers).survey(never, 'capacity')).siblings;
  const named = async (name: string): Promise<Sibling | undefined> =>
    (await siblings('app/app1'))?.find((one) => one.name === name);

  test('are listed with who is usable, who could be, and who is this application too', async () => {
    await haproxy.command('set server app/app2 state drain');
    await haproxy.command('set server app/app3 state maint');
    const plain = {
      role: 'active',
      admin: 'ready',
      forced: 'ready',
      usable: true,
      couldServe: false,
      by: null,
    };
    const spare = { ...plain, role: 'backup' };
    expect(await siblings('app/app1')).toEqual([
      { ...plain, name: 'app/app2', admin: 'drain', forced: 'drain', usable: false, couldServe: true },
      { ...plain, name: 'app/app3', admin: 'maint', forced: 'maint', usable: false },
      { ...plain, name: 'app/dead', usable: false },
      { ...plain, name: 'app/same', by: 'address' },
      { ...plain, name: 'app/follows', by: 'track' },
      { ...plain, name: 'app/further', by: 'track' },
      { ...spare, name: 'app/spare1' },
      { ...spare, name: 'app/spare2' },
    ]);
  });

  test('come with a look, and with nothing that only an operation needs before it begins', async () => {
    expect(await driver(['app/app1'], userSocket).survey(never, 'capacity')).toMatchObject({
      servers: [{ name: 'app/app1', admin: 'ready' }],
      capacity: [{ usableOthers: 5 }],
      facts: [],
      relatives: null,
    });
  });

  test('in a DRAIN under a MAINT that another server brings: both are shown', async () => {
    await haproxy.command('set server app/follows state drain');
    await haproxy.command('set server app/app1 state maint');
    expect(await named('app/follows')).toMatchObject({ admin: 'maint', forced: 'drain', couldServe: false });
  });

  test('in DRAIN that is DOWN or of weight 0 could not serve', async () => {
    await haproxy.command('set server app/dead state drain');
    expect(await named('app/dead')).toMatchObject({ forced: 'drain', couldServe: false });
    await haproxy.command('set server app/dead state ready');
    await haproxy.command('set server app/app2 state drain');
    await haproxy.command('set server app/app2 weight 0');
    expect(await named('app/app2')).toMatchObject({ forced: 'drain', couldServe: false });
  });

  test('are those of each backend of ours, and of no other', async () => {
    expect((await siblings('large/app1'))?.every(({ name }) => name.startsWith('large/s'))).toBe(true);
    expect(await siblings('large/app1', 'app/app1')).toHaveLength(308);
  });

  test('are unknown where another worker answers', async () => {
    let pid = 100;
    fake = await startFake((line, socket) => {
      void (async () => {
        const answer = await ask(haproxy.socket, line);
        answerOn(
          socket,
          answer.replace(/^Pid: .*$/m, () => `Pid: ${(pid += 1)}`),
        );
      })();
    });
    const refusal = await refusalOf(() => driver(['app/app1'], fake?.path ?? '').survey(never, 'capacity'));
    expect(refusal).toMatchObject({ code: 'balancer-unreachable' });
  });
});
