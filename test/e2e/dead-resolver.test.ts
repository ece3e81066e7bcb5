import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../agent/system/error.ts';
import { openRig, type Rig, told } from '../support/rig.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';

/** The name server of the machine does not answer: the C library waits ten seconds and more for each name. */

const ADDRESS = '127.0.0.53';
let rig: Rig | undefined;
let server: Socket | undefined;
/** How long the C library waits in all, by its own default: for two answers of five seconds. */
const LOOKUP_S = 10;
/** By name: the ports from which it was asked for, each of which is one look-up. */
const asked = new Map<string, Set<number>>();
beforeEach(async () => {
  asked.clear();
  rig = await openRig();
});
afterEach(async () => {
  await rig?.close();
  server?.close();
  server = rig = undefined;
});

/** Hears what is asked, and never answers. @returns false where this user may not have the port */
async function hearNames(): Promise<boolean> {
  const socket = createSocket('udp4', (query, { port }) => {
    const name = query.toString('latin1', 13, 13 + (query[12] ?? 0));
    asked.set(name, (asked.get(name) ?? new Set()).add(port));
  });
  socket.bind(53, ADDRESS);
  try {
    await once(socket, 'listening');
  } catch (error) {
    if (!['EACCES', 'EADDRINUSE'].includes(errnoOf(error) ?? '')) throw error;
    return false;
  }
  server = socket;
  return true;
}

test('webhooks whose names are not found delay no operation that asks `localhost`', async () => {
  if (process.getuid?.() !== 0 || !(await hearNames()))
    return skipped(`only root can be a name server at ${ADDRESS}`);
  const { dir, node } = rig as Rig;
  const file = join(dir, 'resolv.conf');
  await writeFile(file, `nameserver ${ADDRESS}\n`);
  const url = node.url.replace('127.0.0.1', 'localhost');
  const on = ['draining', 'settling', 'fencing', 'drained', 'stopping', 'stopped', 'warming', 'returning'];
  const names = ['one', 'two', 'three', 'four'];
  const sidecar = await (rig as Rig).sidecar({
    within: ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file],
    sections: {
      app: {
        probe: { http: { url: `${url}/health` }, every: '250ms', timeout: '1s', fall: 2 },
        start: { command: node.startCommand },
        stop: { signal: { name: 'SIGTERM', pidFile: node.pidFile, killAfter: '5s' } },
      },
      sessions: [{ http: { url: `${url}/sessions` } }],
      hooks: names.map((name) => ({
        on: [...on, 'serving'],
        webhook: `http://${name}.example/`,
        timeout: '200ms',
      })),
    },
  });
  const began = performance.now();
  await until('each name is asked for', () => names.every((name) => asked.has(name)));
  const { json } = await told(sidecar.cli('restart', '--reason', 'deploy 41'));
  const seconds = (performance.now() - began) / 1_000;
  expect(json).toMatchObject({ ok: true, code: 'done' });
  expect(seconds).toBeLessThan(20);
  expect(sidecar.log()).not.toMatch(/unhealthy/);
  // Two look-ups of a name are under way at most, however often it is asked for.
  const most = 2 * Math.ceil((seconds + 1) / LOOKUP_S);
  expect(names.map((name) => Math.max(asked.get(name)?.size ?? 0, most))).toEqual(names.map(() => most));
});
