import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { examined, startTinyApp, type Seen, type TinyApp } from '../support/doctor.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { startStranger, type Stranger } from '../support/stranger.ts';
import { freePort } from '../support/ports.ts';

/** A server that leads to another port of this machine: is it this application? */

let app: TinyApp;
let own: Stranger;
let haproxy: Haproxy;
beforeAll(async () => {
  app = await startTinyApp();
  const port = await freePort();
  own = await startStranger(port);
  haproxy = await startHaproxy(
    `defaults\n  mode http\n  timeout connect 1s\n  timeout client 10s\n  timeout server 10s\n` +
      `backend app\n  server app1 127.0.0.1:${port}\n  server away 203.0.113.9:${port}\n  server app2 127.0.0.1:${app.port}\n` +
      `backend sockets\n  server ws1 127.0.0.1:${app.port}\n  server closed 127.0.0.1:1\n`,
  );
}, 30_000);
afterAll(async () => {
  await haproxy?.stop();
  await own?.end();
  await app?.close();
});

function look(more: Readonly<Record<string, unknown>>): Promise<Seen> {
  const balancers = [{ haproxy: `unix:${haproxy.socket}`, servers: ['app/app1'] }];
  return examined(haproxy.dir, { balancers, ...more });
}

test('is named where nothing names the process of the application, unless it is left out', async () => {
  const { found } = await look({});
  const port = `port ${app.port}`;
  expect(found['unlisted-port']).toEqual([
    expect.stringContaining(`sockets/ws1 leads to this machine as app/app1 does, at ${port}: whether`),
  ]);
  expect((await look({ ignoreServers: ['sockets/ws1'] })).found['unlisted-port']).toBeUndefined();
});

test('is not named where another program has that port, and is unseen once the application has ended', async () => {
  const pidFile = join(haproxy.dir, 'app.pid');
  const stops = { app: { stop: { signal: { pidFile } } } };
  await writeFile(pidFile, `${own.pid}\n`);
  const alive = await look(stops);
  expect(alive.found['unlisted-port']).toBeUndefined();
  expect(alive.unseen['unlisted-port']).toBeUndefined();
  await own.end();
  const ended = await look(stops);
  expect(ended.found['unlisted-port']).toBeUndefined();
  expect(ended.unseen['unlisted-port']).toEqual(['the application does not run now']);
});
