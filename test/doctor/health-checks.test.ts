import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { examined, startTinyApp, type Seen, type TinyApp } from '../support/doctor.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { until } from '../support/until.ts';

/** How HAProxy checks the application, at its sockets and in its file; and what neither of them shows. */

let app: TinyApp;
let haproxy: Haproxy;
let file: string;
beforeAll(async () => {
  app = await startTinyApp();
  haproxy = await startHaproxy(`defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
backend connected
  server app1 127.0.0.1:${app.port} check inter 100ms
backend bare
  server app1 127.0.0.2:80
backend following
  server app1 127.0.0.3:80 track connected/app1
backend refused
  server app1 127.0.0.1:1 check inter 100ms
backend paged
  option httpchk GET /jsp
  server app1 127.0.0.4:1 check inter 100ms addr 127.0.0.1 port ${app.port}
backend ported
  option httpchk GET /jsp
  server app1 127.0.0.1:1 check inter 100ms port ${app.port}
backend proxied
  option httpchk GET /jsp
  server app1 127.0.0.1:${app.port} check inter 60s check-send-proxy
backend connects
  option httpchk
  http-check connect port ${app.port}
  http-check send meth GET uri /jsp
  server app1 127.0.0.1:1 check inter 100ms
backend sealed
  option httpchk GET /jsp
  server app1 127.0.0.1:${app.port} check inter 60s check-ssl verify none
backend twins
  server app1 127.0.0.6:80
  server shut 127.0.0.6:80 disabled
backend sockets
  server app1 unix@/nowhere.sock
`);
  file = join(haproxy.dir, 'haproxy.cfg');
  await until('the checks have run', async () => {
    const rows = (await haproxy.command('show stat')).split('\n');
    const is = (start: string, status: string): boolean =>
      rows.some((row) => row.startsWith(start) && row.includes(status));
    return is('connected,app1', 'L4OK') && is('paged,app1', 'L7OK') && is('refused,app1', 'L4CON');
  });
}, 30_000);
afterAll(async () => {
  await haproxy?.stop();
  await app?.close();
});

function look(server: string, more = {}, haproxyFile: string | null = null): Promise<Seen> {
  const balancers = [{ haproxy: haproxy.socket, servers: [server] }];
  return examined(haproxy.dir, { balancers, ...more }, haproxyFile);
}

describe('A probe that only connects', () => {
  const probe = (): object => ({ app: { probe: { tcp: `127.0.0.1:${app.port}` } } });

  test.each([
    ['connected', 'is checked by a connection alone too'],
    ['bare', 'has no health check besides'],
  ])('breaks where HAProxy asks no more: %s', async (backend, text) => {
    const { found } = await look(`${backend}/app1`, probe());
    expect(found['tcp-probe']?.join()).toContain(text);
    expect(found['tcp-probe-checked']).toBeUndefined();
  });

  test('costs where HAProxy asks for a page, and hides no check by a connection', async () => {
    const { found } = await look('paged/app1', probe());
    expect(found['tcp-probe']).toBeUndefined();
    expect(found['tcp-probe-checked']?.join()).toContain('paged/app1');
    expect((await look('connected/app1', probe())).found['connect-check']).toBeDefined();
    const page = { app: { probe: { http: { url: app.url } } } };
    expect((await look('connected/app1', page)).found['tcp-probe']).toBeUndefined();
  });

  test('is not judged by a check that has failed to connect', async () => {
    const { found, unseen } = await look('refused/app1', probe());
    expect(found['tcp-probe']).toBeUndefined();
    expect(unseen['tcp-probe']?.join()).toContain('shows L4CON: what its health check asks is not seen');
  });
});

test('A server that follows another one has the check of that one', async () => {
  const { found, unseen } = await look('following/app1');
  expect(found['no-check']).toBeUndefined();
  expect(unseen['connect-check']?.join()).toContain('tracks connected/app1');
  const balancers = [{ haproxy: haproxy.socket, servers: ['following/app1', 'connected/app1'] }];
  const both = await examined(haproxy.dir, { balancers });
  expect(both.found['connect-check']).toHaveLength(2);
});

describe('Whether the check of HAProxy makes sessions', () => {
  test('is asked at the port of the check', async () => {
    const { found } = await look('ported/app1', {}, file);
    expect(found['check-makes-sessions']?.join()).toContain(`127.0.0.1:${app.port}/jsp`);
  });

  test.each([
    ['paged', '`addr`'],
    ['proxied', '`check-send-proxy`'],
    ['sealed', '`check-ssl`'],
    ['connects', '`http-check connect`'],
  ])('is not known where it goes another way: %s', async (backend, way) => {
    const { found, unseen } = await look(`${backend}/app1`, {}, file);
    expect(found['check-makes-sessions']).toBeUndefined();
    expect(unseen['check-makes-sessions']?.join()).toContain(way);
  });

  test('is not known without the file', async () => {
    expect((await look('ported/app1')).unseen['check-makes-sessions']?.join()).toContain('--haproxy-config');
  });
});

describe('One haproxy.cfg', () => {
  test('says nothing of a server that it does not have', async () => {
    const part = join(haproxy.dir, 'part.cfg');
    await writeFile(part, 'backend bare\n  option persist\n  server app1 127.0.0.2:80\n');
    const balancers = [{ haproxy: haproxy.socket, servers: ['bare/app1', 'connected/app1'] }];
    const { found, unseen } = await examined(haproxy.dir, { balancers }, part);
    expect(found['option-persist']).toHaveLength(1);
    expect(unseen['option-persist']).toEqual([`${part} has no server connected/app1`]);
    expect(unseen['check-makes-sessions']?.join()).toContain('connected/app1');
  });

  test('is not the file of several HAProxys', async () => {
    const balancers = [haproxy.socket, haproxy.operatorSocket].map((socket) => ({
      haproxy: socket,
      servers: ['bare/app1'],
    }));
    const { unseen } = await examined(haproxy.dir, { balancers }, file);
    for (const id of ['option-persist', 'check-makes-sessions'])
      expect(unseen[id]?.join()).toContain('is the file of one HAProxy, and this node has 2');
  });

  test('leads to any server where a log-format names it', async () => {
    const named = join(haproxy.dir, 'named.cfg');
    const text = await readFile(file, 'utf8');
    await writeFile(
      named,
      text.replace('backend bare\n', 'backend bare\n  use-server %[req.hdr(x)] if TRUE\n'),
    );
    expect((await look('bare/app1', {}, named)).found['use-server']?.join()).toContain('%[req.hdr(x)]');
  });
});

describe('Another server of the application', () => {
  test('that is in MAINT stands against no stop', async () => {
    const stop = { app: { stop: { command: ['/bin/true'] } } };
    expect((await look('twins/app1', stop)).found['unlisted']).toBeUndefined();
    await haproxy.command('set server twins/shut state ready');
    expect((await look('twins/app1', stop)).found['unlisted']?.join()).toContain('twins/shut');
    expect((await look('twins/app1')).found['unlisted']?.join()).toContain('twins/shut');
  });

  test('is not known where a server has no address to compare', async () => {
    expect((await look('bare/app1')).unseen['unlisted']?.join()).toContain('sockets/app1: no address');
    const ignored = await look('bare/app1', { ignoreServers: ['sockets/app1'] });
    expect(ignored.unseen['unlisted']).toBeUndefined();
  });
});
