import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { open, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { HaproxyTarget } from '../../agent/sessions/haproxy-target.ts';
import type { Tables } from '../../agent/system/proc-net-tcp.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { createTcpSource } from '../../agent/sessions/tcp.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { sourceContract } from '../contract/source.ts';
import { targetAt } from '../support/haproxy-target.ts';
import { startHaproxy } from '../support/haproxy.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const execute = promisify(execFile);
const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../dist/test/fixtures/${name}.js`, import.meta.url));

/** Of pipes without an end; kept to the last, since who has begun to read one would wait for the next writer for ever. */
const writers: FileHandle[] = [];
afterAll(() => Promise.all(writers.map((writer) => writer.close())));

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** An application that holds whatever connection comes. */
async function listen(host: string): Promise<{ port: number; server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // A user who is killed resets it.
    socket.on('error', () => socket.destroy());
  });
  // Thousands come at once: the kernel retries those that a full backlog turns away for a minute.
  server.listen({ port: 0, host, backlog: 4_096 });
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, server };
}

/** Resolves once it holds so many. A client is connected before that: of a full backlog the kernel shows fewer. */
function accepted(server: Server, wanted: number): Promise<boolean> {
  const isReached = (): Promise<boolean> =>
    new Promise((resolve) => server.getConnections((_error, count) => resolve(count === wanted)));
  return until(`${wanted} are accepted`, isReached);
}

/** Users in a process of their own: those of this one are the probe's. */
async function hold(command: readonly string[]): Promise<{ end(): Promise<void> }> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const end = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  cleanups.push(end);
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('the users have gone'))),
  ]);
  return { end };
}
const users = (host: string, port: number, count: number): Promise<{ end(): Promise<void> }> =>
  hold([process.execPath, fixture('connects'), host, String(port), String(count)]);

interface Surroundings {
  readonly clock?: Clock;
  readonly targets?: readonly HaproxyTarget[];
  readonly tables?: Tables;
}
const sourceOf = (port: number, { clock = realClock, targets = [], ...more }: Surroundings = {}): Source =>
  createTcpSource({ kind: 'tcp', port, timeoutMs: 5_000 }, 'tcp', { clock, targets, ...more });

const temporary = async (): Promise<string> => {
  const temp = await makeTempDir();
  cleanups.push(() => temp.remove());
  return temp.path;
};

sourceContract("the kernel's table", {
  numbers: [0, 1, 37],
  counting: async (count) => {
    const { port } = await listen('127.0.0.1');
    await users('127.0.0.1', port, count);
    return sourceOf(port);
  },
  absent: async (clock) => sourceOf(await freePort(), { clock }),
  silent: async (clock) => {
    const path = join(await temporary(), 'tcp');
    await execute('mkfifo', [path]);
    // An open writer keeps a reader waiting.
    const writer = await open(path, 'r+');
    writers.push(writer);
    return sourceOf(1, { clock, tables: { v4: path, v6: path } });
  },
});

describe('connections to the port', () => {
  test.each([
    ['::1', '::1'],
    ['::', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
  ])('are counted where the application listens on %s and its users come to %s', async (host, called) => {
    const { port } = await listen(host);
    await users(called, port, 3);
    expect(await sourceOf(port).count(never)).toBe(3);
  });

  test('are no users when they are our own, whatever the address', async () => {
    const { port, server } = await listen('::');
    const probes = ['127.0.0.1', '::1'].map((host) => connect({ host, port }));
    cleanups.push(() => Promise.resolve(probes.forEach((probe) => probe.destroy())));
    await Promise.all(probes.map((probe) => once(probe, 'connect')));
    await accepted(server, 2);
    expect(await sourceOf(port).count(never)).toBe(0);
    const two = await users('127.0.0.1', port, 2);
    expect(await sourceOf(port).count(never)).toBe(2);
    await two.end();
    await until('they have gone', async () => (await sourceOf(port).count(never)) === 0);
  });

  test('from the port are none: the application may have a client with the same number elsewhere', async () => {
    const { port } = await listen('127.0.0.1');
    const other = await listen('127.0.0.1');
    await users('127.0.0.1', other.port, 2);
    expect(await sourceOf(port).count(never)).toBe(0);
    expect(await sourceOf(other.port).count(never)).toBe(2);
  });

  test('are counted one by one up to a thousand', async () => {
    const { port, server } = await listen('127.0.0.1');
    await users('127.0.0.1', port, 1_000);
    await accepted(server, 1_000);
    expect(await sourceOf(port).count(never)).toBe(1_000);
  });

  test('are counted where there are thousands, our own among them', async () => {
    const { port, server } = await listen('127.0.0.1');
    await users('127.0.0.1', port, 3_000);
    const mine = connect({ host: '127.0.0.1', port });
    cleanups.push(() => Promise.resolve(mine.destroy()));
    await once(mine, 'connect');
    await accepted(server, 3_001);
    // So many that ours cannot be distinguished from them.
    expect(await sourceOf(port).count(never)).toBeGreaterThanOrEqual(3_001);
  });
});

describe("HAProxy's idle connections", () => {
  test('count as no user, as long as HAProxy says that they are idle', async () => {
    const app = createHttpServer((_request, response) => response.end('hello'));
    app.keepAliveTimeout = 60_000;
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    cleanups.push(() => {
      app.closeAllConnections();
      return new Promise((resolve) => app.close(resolve));
    });
    const { port } = app.address() as AddressInfo;
    const front = await freePort();
    const haproxy = await startHaproxy(
      'defaults\n  mode http\n  timeout connect 1s\n  timeout client 9s\n  timeout server 60s\n' +
        `listen app\n  bind 127.0.0.1:${front}\n  http-reuse always\n` +
        `  server app1 127.0.0.1:${port} pool-purge-delay 60s\n`,
    );
    cleanups.push(() => haproxy.stop());
    await (await fetch(`http://127.0.0.1:${front}/`, { headers: { connection: 'close' } })).text();
    expect(await sourceOf(port).count(never)).toBe(1);
    const targets = [targetAt(haproxy.socket, realClock)];
    await until('it is idle', async () => (await sourceOf(port, { targets }).count(never)) === 0);
    await users('127.0.0.1', port, 2);
    // A HAProxy that answers late is counted with its idle connections: too many for once, and never too few.
    await until('only the users count', async () => (await sourceOf(port, { targets }).count(never)) === 2);
    await haproxy.kill('SIGSTOP');
    expect(await sourceOf(port, { targets }).count(never)).toBe(3);
    await haproxy.kill('SIGCONT');
    // They lead to another port, so they are not among those that are counted here.
    const elsewhere = await listen('127.0.0.1');
    await users('127.0.0.1', elsewhere.port, 1);
    expect(await sourceOf(elsewhere.port, { targets }).count(never)).toBe(1);
  });
});

describe('unknown', () => {
  const HEADER =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  const row = (port: string, state: string): string =>
    `   0: 0100007F:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 21 1 0 100 0 0 10 0\n`;
  const counting = async (v4: string, v6: string | null): Promise<Source> => {
    const dir = await temporary();
    await writeFile(join(dir, 'tcp'), v4);
    if (v6 !== null) await writeFile(join(dir, 'tcp6'), v6);
    return sourceOf(8080, { tables: { v4: join(dir, 'tcp'), v6: join(dir, 'tcp6') } });
  };
  const LISTENS = row('1F90', '0A');

  test.each([
    ['an empty table', '', HEADER],
    ['something else', 'hello\n', HEADER],
    ['a table that was cut', `${HEADER}${LISTENS}   1: 0100`, HEADER],
    ['a second table that is none', HEADER + LISTENS, 'hello\n'],
    ['a table in which nothing listens', HEADER + row('1F90', '01'), HEADER],
    ['a table in which a process listens on another port', HEADER + row('1F91', '0A'), HEADER],
  ])('with %s', async (_what, v4, v6) => {
    const source = await counting(v4, v6);
    expect(await refusalOf(() => source.count(never))).toMatchObject({ code: 'failed', target: 'port 8080' });
  });

  test('is not the count where there is no IPv6', async () => {
    const source = await counting(HEADER + LISTENS + row('1F90', '01'), null);
    expect(await source.count(never)).toBe(1);
  });

  test('where the application is in another network namespace, known inside of it', async () => {
    const name = `lastcall-${process.pid}`;
    try {
      await execute('ip', ['netns', 'add', name]);
    } catch {
      return skipped('a network namespace takes root and `ip netns`');
    }
    cleanups.push(() => execute('ip', ['netns', 'delete', name]));
    const inside = ['ip', 'netns', 'exec', name];
    await execute('ip', [...inside.slice(1), 'ip', 'link', 'set', 'lo', 'up']);
    const port = await freePort();
    await hold([...inside, process.execPath, fixture('connects'), '127.0.0.1', String(port), '4', 'listen']);
    expect((await refusalOf(() => sourceOf(port).count(never))).next).toContain('network namespace');
    const { stdout } = await execute('ip', [
      ...inside.slice(1),
      process.execPath,
      fixture('counts-port'),
      String(port),
    ]);
    expect(stdout).toBe('4\n');
  });

  test('needs no privilege to become known', async () => {
    if (process.getuid?.() !== 0) return skipped('only root can become nobody');
    const { port } = await listen('127.0.0.1');
    await users('127.0.0.1', port, 2);
    const asNobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--no-new-privs'];
    const { stdout } = await execute('setpriv', [
      ...asNobody,
      process.execPath,
      fixture('counts-port'),
      String(port),
    ]);
    expect(stdout).toBe('2\n');
  });
});
