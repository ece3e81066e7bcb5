import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import type { Diagnosis } from '../../agent/doctor/diagnosis.ts';
import { lastcall, type Running } from '../support/cli.ts';
import { startTinyApp, type TinyApp } from '../support/doctor.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';

/** `lastcall doctor --live`: a trial drain, which two requests judge, and of which nothing is left. */

let haproxy: Haproxy;
let apps: TinyApp[];
/** Takes requests and never answers. */
let silent: Server;
let front: string;
beforeAll(async () => {
  apps = [await startTinyApp(), await startTinyApp()];
  silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const port = await freePort();
  front = `http://127.0.0.1:${port}`;
  haproxy = await startHaproxy(`defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
frontend web
  bind 127.0.0.1:${port}
  use_backend tabled if { path_beg /tabled }
  use_backend twin if { path_beg /twin }
  default_backend app
backend app
  cookie SRV insert indirect nocache
  use-server app1 if { path /bound }
  server app1 127.0.0.1:${apps[0]?.port ?? 0} cookie a
  server app2 127.0.0.1:${apps[1]?.port ?? 0} cookie b
backend twin
  cookie SRV insert indirect nocache
  server app1 127.0.0.1:${apps[1]?.port ?? 0} cookie a
  server app2 127.0.0.1:${apps[1]?.port ?? 0} cookie b
backend tabled
  stick-table type ip size 1k expire 1m
  stick on src
  server app1 127.0.0.1:${apps[0]?.port ?? 0}
  server app2 127.0.0.1:${apps[1]?.port ?? 0}
`);
}, 30_000);
afterAll(async () => {
  await haproxy?.stop();
  silent?.close();
  for (const app of apps ?? []) await app.close();
});

async function trial(server: string, url: string): Promise<Running> {
  const file = join(haproxy.dir, 'live.yaml');
  const ignoreServers = ['app/app1', 'tabled/app1', 'twin/app1'].filter((one) => one !== server);
  const balancers = [{ haproxy: haproxy.socket, servers: [server] }];
  const places = { state: join(haproxy.dir, 'x.json'), listen: { control: join(haproxy.dir, 'none.sock') } };
  await writeFile(file, JSON.stringify({ node: 'app1', balancers, ignoreServers, ...places }));
  return lastcall(['doctor', '--json', '-c', file, '--live', url]);
}

async function live(server: string, url: string): Promise<Diagnosis['live']> {
  const { stdout } = await (await trial(server, url)).outcome;
  return (JSON.parse(stdout) as Diagnosis).live;
}

/** Each server with its administrative state. */
async function admins(): Promise<string[]> {
  const states = await haproxy.command('show servers state');
  return states.split('\n').map((line) => `${line.split(' ')[3] ?? ''} ${line.split(' ')[6] ?? ''}`);
}

describe('lastcall doctor --live', () => {
  test('proves that a new user is led away and an old one stays, and puts back what was found', async () => {
    const before = await admins();
    expect(await live('app/app1', front)).toEqual({
      result: 'proven',
      seen: [
        'a new user was led to another node (SRV=b, status 200)',
        'a user with SRV=a stayed (status 200)',
        'what was found is back',
      ],
    });
    expect(await admins()).toEqual(before);
  });

  test('says that the application has made a session by it', async () => {
    const jsp = await live('app/app1', `${front}/jsp`);
    expect(jsp).toMatchObject({ result: 'proven' });
    expect(jsp?.seen).toContain(
      'the application made a session by it (JSESSIONID); it counts until it expires',
    );
  });

  test('claims nothing of a new user whom `use-server` leads: HAProxy sets no cookie then', async () => {
    const seen = await live('app/app1', `${front}/bound`);
    expect(seen).toMatchObject({ result: 'unproven' });
    expect(seen?.seen.join()).toContain('sets no cookie SRV');
    expect(seen?.seen.join()).toContain('what was found is back');
  });

  test('claims nothing of a URL that leads elsewhere, and tries nothing where no cookie binds', async () => {
    const elsewhere = await live('app/app1', apps[1]?.url ?? '');
    expect(elsewhere).toMatchObject({ result: 'unproven' });
    expect(elsewhere?.seen.join()).toContain('the URL may lead elsewhere');
    const twin = await live('app/app1', `${front}/twin`);
    expect(twin).toMatchObject({ result: 'unproven' });
    expect(twin?.seen.join()).toContain('HAProxy counted no request at this node');
    const tabled = await live('tabled/app1', `${front}/tabled`);
    expect(tabled?.seen).toEqual(['HAProxy binds no user of this node by a cookie: no drain was tried']);
  });

  test('puts back what was found where it is interrupted', async () => {
    const { port } = silent.address() as AddressInfo;
    const before = await admins();
    const running = await trial('app/app1', `http://127.0.0.1:${port}`);
    await until('app1 is in DRAIN', async () =>
      (await haproxy.command('show stat app 4 1')).includes(',DRAIN,'),
    );
    running.child.kill('SIGINT');
    const { code, stdout } = await running.outcome;
    expect(code).toBe(130);
    expect((JSON.parse(stdout) as Diagnosis).live?.seen.join()).toContain('what was found is back');
    expect(await admins()).toEqual(before);
  });

  test('names each server that is not put back where HAProxy stands still', async () => {
    const { port } = silent.address() as AddressInfo;
    const asked = once(silent, 'connection');
    const running = await trial('app/app1', `http://127.0.0.1:${port}`);
    await asked;
    await haproxy.kill('SIGSTOP');
    try {
      running.child.kill('SIGINT');
      const { code, stdout } = await running.outcome;
      expect(code).toBe(130);
      expect(JSON.parse(stdout)).toMatchObject({
        code: 'interrupted',
        message: `interrupted by SIGINT: not restored: ${haproxy.socket}: app/app1`,
      });
    } finally {
      await haproxy.kill('SIGCONT');
      await haproxy.command('set server app/app1 state ready');
    }
  });

  test('is refused by the guard, and a URL that is none is 64', async () => {
    await haproxy.command('set server app/app2 state maint');
    expect((await live('app/app1', front))?.seen.join()).toContain('the drain was refused (guard)');
    await haproxy.command('set server app/app2 state ready');
    expect((await lastcall(['doctor', '--live', 'web']).outcome).code).toBe(64);
  });
});
