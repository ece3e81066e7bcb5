import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Source } from '../../agent/sessions/source.ts';
import { createStickTableSource } from '../../agent/sessions/stick-table.ts';
import { startFake } from '../support/fake-haproxy.ts';
import { targetAt, untilOld } from '../support/haproxy-target.ts';
import { ask, startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { teach, type PeerEntry } from '../support/peer.ts';
import { freePort } from '../support/ports.ts';
import { createShiftedClock, type ShiftedClock } from '../support/shifted-clock.ts';
import { until } from '../support/until.ts';

const EXPIRE_MS = 30 * 60_000;
const KEY_LENGTH = 64;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A HAProxy whose table `web` can be taught. */
interface Site {
  readonly haproxy: Haproxy;
  readonly taught: (...entries: readonly PeerEntry[]) => Promise<void>;
  readonly config: (backends: string) => string;
}

const table = (more = ''): string =>
  `  stick-table type string len ${KEY_LENGTH} size 10k expire 30m peers us${more}\n`;
const backend = (name: string, servers: readonly string[], head = ''): string =>
  `backend ${name}\n${head}  stick on hdr(x-user) table web\n` +
  servers.map((server) => `  server ${server.includes(' ') ? server : `${server} 127.0.0.1:1`}\n`).join('');

async function openSite(backends: string, master = false, taughtTable = 'web'): Promise<Site> {
  const [port, fake] = [await freePort(), await freePort()];
  const config = (text: string): string =>
    'global\n  localpeer me\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n' +
    `peers us\n  bind 127.0.0.1:${port}\n  server me\n  server fake 127.0.0.1:${fake}\n${text}`;
  const haproxy = await startHaproxy(config(backends), { master });
  cleanups.push(() => haproxy.stop());
  const teacher = {
    port,
    pupil: 'me',
    teacher: 'fake',
    table: taughtTable,
    keyLength: KEY_LENGTH,
    expireMs: EXPIRE_MS,
  };
  return { haproxy, config, taught: (...entries) => teach(haproxy.socket, teacher, entries) };
}

interface Place {
  readonly path: string;
  readonly servers: readonly string[];
}

/** A source that has known these HAProxys for longer than their tables remember. */
async function agedSource(
  places: readonly Place[],
  server: string | null = null,
  counted = 'web',
): Promise<Source & { readonly clock: ShiftedClock }> {
  const clock = createShiftedClock();
  const source = createStickTableSource(
    { kind: 'stickTable', table: counted, server, expireMs: EXPIRE_MS, timeoutMs: 5_000 },
    'stickTable',
    { clock, targets: places.map(({ path, servers }) => targetAt(path, clock, servers)) },
  );
  await refusalOf(() => source.count(never));
  clock.forward(EXPIRE_MS);
  return { ...source, clock };
}

const at = ({ haproxy }: Site, ...servers: readonly string[]): Place => ({ path: haproxy.socket, servers });
const entry = (key: string, serverId: number, serverKey: string): PeerEntry => ({ key, serverId, serverKey });

describe('whose entries are counted, without a server at the source', () => {
  test('those of each name that the node has there, whatever the backend that wrote them and its numbers', async () => {
    const site = await openSite(
      backend('web', ['app1', 'app2'], table()) +
        backend('api', ['batch', 'app1', 'app2']) +
        backend('ws', ['w2', 'w1']),
    );
    // As `web` writes them, as `api` does, as `ws` does; then the others'.
    await site.taught(entry('a', 1, 'app1'), entry('b', 2, 'app1'), entry('c', 2, 'w1'));
    await site.taught(
      entry('d', 2, 'app2'),
      entry('e', 3, 'app2'),
      entry('f', 1, 'batch'),
      entry('g', 1, 'w2'),
    );
    const source = await agedSource([at(site, 'web/app1', 'api/app1', 'ws/w1')]);
    expect(await source.count(never)).toBe(3);
    const other = await agedSource([at(site, 'web/app2', 'api/app2', 'ws/w2')]);
    expect(await other.count(never)).toBe(3);
  });

  test('at each balancer by the names that the node has there', async () => {
    const one = await openSite(backend('web', ['app1', 'app2'], table()));
    const two = await openSite(backend('web', ['n2', 'n1'], table()));
    await one.taught(entry('a', 1, 'app1'), entry('b', 2, 'app2'));
    await two.taught(entry('a', 2, 'n1'), entry('b', 2, 'n1'), entry('c', 1, 'n2'));
    const places = [at(one, 'web/app1'), at(two, 'web/n1')];
    expect(await (await agedSource(places)).count(never)).toBe(2);
    // A server that is written is one more where it is found, and need not be everywhere.
    expect(await (await agedSource(places, 'web/n2')).count(never)).toBe(3);
    const { message } = await refusalOf(async () => (await agedSource(places, 'web/n3')).count(never));
    expect(message).toContain('has no server n3');
  });

  test('by the address, where the table remembers addresses', async () => {
    const site = await openSite(
      backend('web', ['app1 10.0.0.1:80', 'app2 [fd00::1]:80', 'app3 10.0.0.3'], table(' srvkey addr')) +
        backend('api', ['x 10.0.0.9:80', 'app1 10.0.0.1:80']),
    );
    await site.taught(
      entry('a', 1, '10.0.0.1:80'),
      entry('b', 2, '10.0.0.1:80'),
      entry('c', 1, '10.0.0.1:8080'),
    );
    await site.taught(
      entry('d', 2, 'fd00::1:80'),
      entry('e', 3, '10.0.0.3:+0'),
      entry('f', 1, '10.0.0.9:80'),
    );
    const count = async (server: string): Promise<number> =>
      (await agedSource([at(site, server)])).count(never);
    // `c` has an address that no server has any more, and the number of app1.
    expect([await count('web/app1'), await count('web/app2'), await count('web/app3')]).toEqual([3, 1, 1]);
  });

  test('unknown by the address, where HAProxy does not show ours', async () => {
    const site = await openSite(
      backend('web', ['app1 unix@/run/a.sock', 'app2 unix@/run/b.sock'], table(' srvkey addr')),
    );
    await site.taught(entry('a', 2, '/run/a.sock'));
    const { message, next } = await refusalOf(async () =>
      (await agedSource([at(site, 'web/app1')])).count(never),
    );
    expect(message).toContain('1 entry names no server that HAProxy has');
    expect(next).toContain('srvkey addr');
  });

  test('never by what a user writes into the key', async () => {
    const site = await openSite(backend('web', ['app1', 'app2'], table()));
    await site.taught(
      entry('x server_key=app1 ', 2, 'app2'),
      entry('x use=0 exp=9 server_id=1 server_key=app1', 2, 'app2'),
      entry('x\\ server_key=app2\\', 1, 'app1'),
      entry('server_id=2 server_key=app2', 1, 'app1'),
      entry('\n0x1: key=y use=0 exp=1 server_id=1 server_key=app1\n\n', 2, 'app2'),
    );
    expect(await (await agedSource([at(site, 'web/app1')])).count(never)).toBe(2);
    expect(await (await agedSource([at(site, 'web/app2')])).count(never)).toBe(3);
  });
});

test('without keys, by any number of ours: of a table that backends share too many, never too few', async () => {
  const site = await openSite(
    backend('web', ['app1', 'app2'], table()) + backend('api', ['batch', 'app1', 'app2']),
  );
  const keyless = (key: string, serverId: number): PeerEntry => ({ key, serverId });
  await site.taught(keyless('a', 1), keyless('b', 2), keyless('c', 3));
  // Whether `web` wrote `b` (then it is app2's) or `api` (then it is ours), it does not tell; it ends, or gets its key.
  expect(await (await agedSource([at(site, 'web/app1', 'api/app1')])).count(never)).toBe(2);
  expect(await (await agedSource([at(site, 'web/app2', 'api/app2')])).count(never)).toBe(2);
});

test('names as long as HAProxy takes them are counted', async () => {
  const [LONG, other] = ['a'.repeat(600), `${'a'.repeat(599)}b`];
  const name = `long-${'b'.repeat(500)}`;
  const site = await openSite(
    `backend ${name}\n${table()}  stick on hdr(x-user)\n  server ${LONG} 127.0.0.1:1\n  server ${other} 127.0.0.1:1\n`,
    false,
    name,
  );
  await site.taught(entry('a', 1, LONG), entry('b', 1, LONG), entry('c', 2, other));
  const place = at(site, `${name}/${LONG}`);
  expect(await (await agedSource([place], null, name)).count(never)).toBe(2);
});

/** An application that answers its name. */
async function startApp(name: string): Promise<number> {
  const app: Server = createServer((_request, response) => response.setHeader('x-app', name).end());
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  cleanups.push(() => new Promise((resolve) => app.close(resolve)));
  return (app.address() as AddressInfo).port;
}

/** Which application answers this user. */
async function visit(port: number, user: string): Promise<string | undefined> {
  const request = get({ host: '127.0.0.1', port, agent: false, headers: { 'x-user': user } });
  const [response] = (await once(request, 'response')) as [
    { resume(): void; headers: Record<string, string> },
  ];
  response.resume();
  return response.headers['x-app'];
}

test('HAProxy leads an entry by its name, and by its number where no server has that name: so they are counted', async () => {
  const [front, one, two] = [await freePort(), await startApp('app1'), await startApp('app2')];
  const site = await openSite(
    `frontend f\n  bind 127.0.0.1:${front}\n  default_backend web\n` +
      backend('web', [`app1 127.0.0.1:${one}`, `app2 127.0.0.1:${two}`], table()),
  );
  const users = Array.from({ length: 4 }, (_none, n) => n);
  await site.taught(
    ...users.map((n) => entry(`moved${n}`, 2, 'app1')),
    ...users.map((n) => entry(`gone${n}`, 1, 'app0')),
  );
  expect(await (await agedSource([at(site, 'web/app1')])).count(never)).toBe(8);
  expect(await (await agedSource([at(site, 'web/app2')])).count(never)).toBe(0);
  for (const n of users) {
    expect(await visit(front, `moved${n}`)).toBe('app1');
    expect(await visit(front, `gone${n}`)).toBe('app1');
  }
});

test('entries of before a reload that moved the numbers are found by their names, and believed where peers handed them on', async () => {
  const site = await openSite(backend('web', ['app1', 'app2'], table()), true);
  await site.taught(entry('a', 1, 'app1'), entry('b', 2, 'app2'), entry('c', 1, 'app1'));
  // A worker that has just begun teaches nothing.
  await untilOld(site.haproxy.socket, 6);
  const source = await agedSource([at(site, 'web/app1')]);
  expect(await source.count(never)).toBe(2);
  await site.haproxy.rewrite(site.config(backend('web', ['app0', 'app2', 'app1'], table())));
  await site.haproxy.reload();
  await until('the new worker has been taught', async () => {
    try {
      return (await source.count(never)) === 2;
    } catch {
      return false;
    }
  });
});

describe('a table without `expire`', () => {
  const ENDLESS = `  stick-table type string len ${KEY_LENGTH} size 10k peers us\n`;

  test('counts zero without an entry of this node, and is unknown with one, which never ends', async () => {
    const site = await openSite(backend('web', ['app1', 'app2'], ENDLESS));
    const source = await agedSource([at(site, 'web/app1')]);
    await site.haproxy.command('set table web key other data.server_id 2');
    expect(await source.count(never)).toBe(0);
    await site.haproxy.command('set table web key a data.server_id 1');
    const refusal = await refusalOf(() => source.count(never));
    expect(refusal).toMatchObject({ code: 'failed', next: expect.stringContaining('another source') });
    expect(refusal.message).toContain('has no `expire`: its 1 entry of this node never ends');
  });
});

test('an answer that changes hands in the middle is no count', async () => {
  const site = await openSite(backend('web', ['app1', 'app2'], table()));
  await site.taught(entry('f', 1, 'gone'));
  const fake = await startFake((line, socket) => {
    void ask(site.haproxy.socket, line).then((answer) =>
      socket.end(line.endsWith('show servers state') ? answer.replace(/^Pid: \d+$/m, 'Pid: 1') : answer),
    );
  });
  cleanups.push(() => fake.stop());
  const source = await agedSource([{ path: fake.path, servers: ['web/app1'] }]);
  expect((await refusalOf(() => source.count(never))).message).toContain('was reloaded while it was asked');
  // Every line of it is one of these.
  const NAME = '[A-Za-z0-9_.:-]{1,128}';
  const templates = `show servers state ${NAME}|show info;show stat #\\d+ 4 \\d+|show info;show table ${NAME}|show info;show servers state|show peers`;
  for (const line of fake.lines) expect(line).toMatch(new RegExp(`^(${templates})$`));
});
