import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { examined, startTinyApp, type Seen, type TinyApp } from '../support/doctor.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { until } from '../support/until.ts';

/** One HAProxy with many backends, each with traps of its own: what its sockets show. */

let app: TinyApp;
let haproxy: Haproxy;
beforeAll(async () => {
  app = await startTinyApp();
  haproxy = await startHaproxy(
    `defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
  default-server weight 100
backend hashed
  balance source
  server app1 127.0.0.1:${app.port}
  server app2 127.0.0.1:1
backend twins
  server app1 127.0.0.2:80 check
  server other 127.0.0.2:80
backend tabled
  stick-table type string size 1k
  stick on req.cook(id)
  server app1 127.0.0.3:80
  server app2 127.0.0.1:1
backend steady
  stick-table type string size 1k expire 1h
  stick on req.cook(id)
  server app1 127.0.0.4:80
backend agent
  server app1 127.0.0.5:80 weight 1 agent-check agent-port 1 agent-inter 60s
  server app2 127.0.0.1:1
backend stiff
  balance static-rr
  server app1 127.0.0.6:80
  server app2 127.0.0.1:1
backend checked
  server app1 127.0.0.1:${app.port} check inter 100ms
  server app2 127.0.0.1:1
backend cookies
  cookie SRV insert indirect nocache
  server app1 127.0.0.7:80 cookie a
  server app2 127.0.0.1:1 cookie b
`,
    { master: true },
  );
  await haproxy.command('set table tabled key K1 data.server_id 1');
  await haproxy.command('set server cookies/app2 state drain');
  await until('the check is good', async () =>
    (await haproxy.command('show stat checked 4 -1')).includes('L4OK'),
  );
}, 30_000);
afterAll(async () => {
  await haproxy?.stop();
  await app?.close();
});

function look(server: string, more: Readonly<Record<string, unknown>> = {}, balancer = {}): Promise<Seen> {
  const balancers = [{ haproxy: `unix:${haproxy.socket}`, servers: [server], ...balancer }];
  return examined(haproxy.dir, { balancers, ...more });
}

describe('What binds users and leads them', () => {
  test('a hash alone', async () => {
    const { found, diagnosis } = await look('hashed/app1');
    expect(found['unkeepable']?.join()).toContain('balance source');
    expect(found['no-check']?.join()).toContain('hashed/app1 has no health check');
    expect(found['no-state-file']).toBeDefined();
    expect(found['no-probe']).toBeDefined();
    expect(diagnosis).toMatchObject({ ok: false, code: 'failed' });
  });

  test('a second server of the same address, and a check by a connection', async () => {
    const checked = await look('checked/app1');
    expect(checked.found['connect-check']?.join()).toContain('checked/app1');
    expect(checked.found['no-check']).toBeUndefined();
    const { found } = await look('twins/app1');
    expect(found['unlisted']?.join()).toContain('twins/other has the address of twins/app1');
    expect(found['guard']).toBeUndefined();
    expect((await look('twins/app1', { ignoreServers: ['twins/other'] })).found['unlisted']).toBeUndefined();
  });

  test('a cookie that no source counts behind, and no other server', async () => {
    const { found } = await look('cookies/app1');
    expect(found['uncounted']?.join()).toContain('users are sticky here (cookie)');
    expect(found['guard']?.join()).toContain('0 other usable servers');
    const counted = await look('cookies/app1', { sessions: [{ http: { url: `${app.url}/sessions` } }] });
    expect(counted.found['uncounted']).toBeUndefined();
  });

  test('a DRAIN that is not of lastcall', async () => {
    const { found } = await look('cookies/app2');
    expect(found['held']?.join()).toContain('cookies/app2 is already in DRAIN');
  });

  test('a stick table without peers, whose entries never end', async () => {
    const { found } = await look('tabled/app1');
    expect(found['table-peers']?.join()).toContain('tabled');
    expect(found['table-expire']?.join()).toContain('tabled');
    const steady = await look('steady/app1', { sessions: [{ stickTable: { table: 'steady' } }] });
    expect(steady.found['table-expire']).toBeUndefined();
    // HAProxy is younger than an hour: entries of before its reload may be missing.
    expect(steady.found['source-unread']?.join()).toContain('stickTable');
  });

  test('an agent-check of another program, a weight without steps, a balancing without weights', async () => {
    const ramp = { return: { warmUp: '30s' }, app: { probe: { http: { url: app.url } } } };
    const agent = await look('agent/app1', ramp);
    expect(agent.found['agent-foreign']?.join()).toContain('agent-check at port 1');
    expect(agent.found['ramp-weight']?.join()).toContain('agent/app1 has weight 1');
    expect((await look('stiff/app1', ramp)).found['ramp-static']).toBeDefined();
    const listen = { agentCheck: { address: '127.0.0.1:7' } };
    const other = await look('agent/app1', { listen });
    expect(other.found['agent-foreign']?.join()).toContain('asks port 1, and listen.agentCheck is 7');
    const none = await look('stiff/app1', { listen }, { writer: 'agent-check' });
    expect(none.found['agent-missing']?.join()).toContain('stiff/app1 has no agent-check');
  });
});

describe('What the sockets allow', () => {
  test('level operator, a server that is not there, no HAProxy at all', async () => {
    const level = await look('hashed/app1', {}, { haproxy: `unix:${haproxy.operatorSocket}` });
    expect(level.found['socket-level']?.join()).toContain('is of level operator');
    // What is only read needs no more.
    expect(level.found['unkeepable']).toBeDefined();
    const name = await look('hashed/nope');
    expect(name.found['no-such-server']?.join()).toContain('app1, app2');
    const away = await look('hashed/app1', {}, { haproxy: join(haproxy.dir, 'gone.sock') });
    expect(away.found['unreachable']).toBeDefined();
    expect(away.diagnosis.code).toBe('balancer-unreachable');
    expect(away.unseen['socket-level']).toBeDefined();
  });

  test('a master that does not answer, and a file where a directory should be', async () => {
    const state = join(haproxy.dir, 'plain');
    await writeFile(state, '');
    const seen = await look(
      'hashed/app1',
      { state: join(state, 'app1.json') },
      {
        master: join(haproxy.dir, 'gone.sock'),
      },
    );
    expect(seen.found['master-rights']?.join()).toContain('gone.sock');
    expect(seen.found['state-rights']).toBeDefined();
    expect(seen.found['no-sidecar']).toBeDefined();
    const pool = await examined(
      haproxy.dir,
      { balancers: [{ haproxy: haproxy.socket, servers: ['hashed/app1'] }], pool: { name: 'app' } },
      null,
      { https_proxy: 'http://proxy:3128' },
    );
    expect(pool.found['no-lock']).toBeDefined();
    expect(pool.found['proxy-environment']).toEqual(['https_proxy']);
  });
});

describe('What the application shows', () => {
  test('nothing there: neither users nor a stop nor a start', async () => {
    const { found } = await look('cookies/app1', {
      app: {
        probe: { http: { url: `${app.url}/jsp` } },
        stop: { command: ['/bin/true'] },
        start: { command: ['/nonexistent/start'] },
      },
      sessions: [{ http: { url: `${app.url}/health` } }],
    });
    expect(found['source-unread']?.join()).toContain('http:');
    expect(found['probe-makes-sessions']?.join()).toContain('Set-Cookie');
    expect(found['start-fails']?.join()).toContain('/nonexistent/start');
    expect(found['stop-unproven']).toBeDefined();
  });

  test('a stop that cannot run, and a probe that is bad', async () => {
    const { found } = await look('cookies/app1', {
      app: { probe: { tcp: '127.0.0.1:1' }, stop: { command: ['/nonexistent/stop'] } },
    });
    expect(found['stop-fails']?.join()).toContain('/nonexistent/stop');
    expect(found['unhealthy']).toBeDefined();
  });
});

describe('What admission does not say of a server that takes no users now', () => {
  test('a hash, a check that is paused, and a table that is empty', async () => {
    await haproxy.command('set server hashed/app1 state maint');
    const hashed = await look('hashed/app1');
    expect(hashed.found['unkeepable']?.join()).toContain('balance source), which takes no users now');
    expect(hashed.found['no-check']).toBeUndefined();
    expect(hashed.unseen['no-check']?.join()).toContain('in MAINT, where it is not checked');
    expect((await look('hashed/app1', { sticky: false })).found['unkeepable']).toBeUndefined();
    await haproxy.command('set server hashed/app1 state ready');
    await haproxy.command('clear table tabled');
    expect((await look('tabled/app1')).unseen['table-expire']?.join()).toContain('tabled is empty');
    const balancers = [{ haproxy: haproxy.socket, servers: ['tabled/app1'] }];
    const given = await examined(haproxy.dir, { balancers }, join(haproxy.dir, 'haproxy.cfg'));
    expect(given.found['table-expire']?.join()).toContain('stick-table type string size 1k');
  });
});

test('A HAProxy that is frozen is asked one question, and ends nothing but its own reading', async () => {
  await haproxy.kill('SIGSTOP');
  try {
    const { found, unseen, diagnosis } = await look('hashed/app1');
    expect(found['unreachable']?.join()).toContain('no answer within 2000 ms');
    expect(unseen['guard']).toEqual(unseen['socket-level']);
    expect(diagnosis.code).toBe('balancer-unreachable');
  } finally {
    await haproxy.kill('SIGCONT');
  }
});
