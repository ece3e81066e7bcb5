import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { type ServedPlace, type ServedBy, whoServes } from '../../agent/app/served-places.ts';
import { startTimeOf } from '../../agent/system/process.ts';
import { fixture } from '../support/fixture-reports.ts';
import { freePort } from '../support/ports.ts';
import { skipped } from '../support/skip.ts';

/** Which process serves an address, by real processes; as another user too. */

const run = promisify(execFile);
const { signal } = new AbortController();
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** A program that listens at these addresses. */
const LISTENS = `
const { createServer } = require('node:net');
const places = process.argv.slice(1);
let left = places.length;
for (const place of places) {
  const [host, port] = place.split(' ');
  createServer().listen({ host, port: Number(port), ipv6Only: false }, () => (left -= 1) || console.log('on'));
}`;

/**
 * Starts a program; resolves once all its processes have written that they listen.
 * @param user whose process it is; null = ours
 * @param processes that listen, the program's own among them
 */
async function listener(
  places: readonly string[],
  user: number | null = null,
  { script = LISTENS, processes = 1 } = {},
): Promise<number> {
  const as = user === null ? [] : ['setpriv', '--reuid', `${user}`, '--regid', `${user}`, '--clear-groups'];
  const [program = '', ...words] = [...as, process.execPath, '-e', script, ...places];
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const ended = once(child, 'exit');
  endings.push(async () => {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await ended;
  });
  let written = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (written += chunk));
  while (written.split('on\n').length <= processes) await once(child.stdout, 'data');
  return child.pid ?? 0;
}

function asSeenHere(pid: number, places: readonly ServedPlace[]): Promise<readonly ServedBy[]> {
  const check = async () => ({ pid, startTime: startTimeOf(pid) ?? '' });
  return whoServes(places, { stopper: { check }, isUnit: false }, signal);
}

async function asSeenBy(
  user: number,
  pid: number,
  places: readonly ServedPlace[],
): Promise<readonly ServedBy[]> {
  const [program = '', ...words] = fixture('who-serves-as', user, pid, JSON.stringify(places));
  return JSON.parse((await run(program, words.map(String))).stdout) as ServedBy[];
}

describe('Who serves an address', () => {
  test('is the application by its own sockets and those of what it has started; else another program, or none', async () => {
    const [own, childs, others, none] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const starts = `${LISTENS}
require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(LISTENS)}, '127.0.0.1 ${childs}'], { stdio: 'inherit' });`;
    const pid = await listener([`127.0.0.1 ${own}`], null, { script: starts, processes: 2 });
    await listener([`127.0.0.1 ${others}`]);
    const at = (port: number): ServedPlace => ({ host: '127.0.0.1', port });
    expect(await asSeenHere(pid, [own, childs, others, none].map(at))).toEqual([
      'application',
      'application',
      'other',
      'none',
    ]);
  });

  test('is who listens at that very address, or at all of them', async () => {
    const [every, some] = [await freePort(), await freePort()];
    const pid = await listener([`:: ${every}`, `127.0.0.1 ${some}`]);
    await listener([`127.0.0.2 ${some}`]);
    const at = (host: string, port: number): ServedPlace => ({ host, port });
    const asked = [at('127.0.0.1', every), at('::1', every), at('127.0.0.1', some), at('127.0.0.2', some)];
    expect(await asSeenHere(pid, asked)).toEqual(['application', 'application', 'application', 'other']);
  });

  test('is no process of this machine where the address is another one’s', async () => {
    const port = await freePort();
    const pid = await listener([`0.0.0.0 ${port}`]);
    // RFC 5737: no machine has them.
    expect(await asSeenHere(pid, [{ host: '203.0.113.9', port }])).toEqual(['none']);
  });

  test('is unknown once the process that was named has ended', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    endings.push(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const check = async () => ({ pid: process.pid, startTime: '1' });
    const seen = whoServes([{ host: '127.0.0.1', port }], { stopper: { check }, isUnit: false }, signal);
    expect(await seen).toEqual(['unknown']);
  });
});

/** Users that no other process of this machine has. */
const [APP, SIDECAR] = [47_110, 47_111];

describe('As a user who may not see the application’s sockets', () => {
  let isRoot = false;
  beforeAll(() => void (isRoot = process.getuid?.() === 0));

  const places = async (count: number): Promise<ServedPlace[]> =>
    Promise.all(Array.from({ length: count }, async () => ({ host: '127.0.0.1', port: await freePort() })));
  const word = ({ host, port }: ServedPlace): string => `${host} ${port}`;

  test('it is the application where every process of the socket’s user is, and another program for another user', async () => {
    if (!isRoot) return skipped('only root may start programs of other users');
    const [first, second, other] = (await places(3)) as [ServedPlace, ServedPlace, ServedPlace];
    const pid = await listener([first, second].map(word), APP);
    await listener([word(other)], APP + 9);
    expect(await asSeenBy(SIDECAR, pid, [second, other])).toEqual(['application', 'other']);
  });

  test('it is unknown where another process has the same user, or the socket is root’s', async () => {
    if (!isRoot) return skipped('only root may start programs of other users');
    const [first, second, other, roots] = (await places(4)) as [
      ServedPlace,
      ServedPlace,
      ServedPlace,
      ServedPlace,
    ];
    const pid = await listener([first, second].map(word), APP);
    await listener([word(roots)]);
    expect(await asSeenBy(SIDECAR, pid, [second, roots])).toEqual(['application', 'unknown']);
    await listener([word(other)], APP);
    expect(await asSeenBy(SIDECAR, pid, [second, other])).toEqual(['unknown', 'unknown']);
    // The application's own user sees which of the two it is.
    expect(await asSeenBy(APP, pid, [second, other])).toEqual(['application', 'other']);
  });
});
