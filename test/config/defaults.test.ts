import { describe, expect, test } from '@jest/globals';
import { MINIMAL, configOf } from './support.ts';

test('a file that names a balancer and a server gets every default', async () => {
  expect(await configOf(MINIMAL)).toEqual({
    node: 'host1',
    app: { probe: null, onSignOut: 'drain', start: null, stop: null },
    balancers: [
      {
        kind: 'haproxy',
        address: '/run/haproxy/admin.sock',
        master: null,
        tls: null,
        writer: 'runtime',
        servers: ['app/app1'],
        stateFile: null,
      },
    ],
    unreachable: 'wait',
    foreignDrain: 'refuse',
    reloadGraceMs: 600_000,
    ignoreServers: [],
    sticky: 'auto',
    sessions: [],
    drain: {
      timeoutMs: 1_800_000,
      onTimeout: 'restore',
      quietMs: 1_000,
      quietExplicit: false,
      keep: 1,
      keepBackups: false,
      expiresMs: null,
      gate: null,
      warn: [],
      closePerSecond: 20,
    },
    return: { timeoutMs: 300_000, warmUpMs: 0, soakMs: 0 },
    pool: null,
    lock: null,
    schedule: [],
    hooks: [],
    listen: {
      agentCheck: null,
      health: null,
      metrics: null,
      control: { path: '/run/lastcall/host1.sock', mode: 0o600, group: null },
      hooks: null,
    },
    state: '/var/lib/lastcall/host1.json',
    audit: null,
    adopt: null,
    log: { level: 'info', format: 'json' },
  });
});

test('paths follow the name of the node', async () => {
  const config = await configOf(`${MINIMAL}node: app1\n`);
  expect(config.node).toBe('app1');
  expect(config.listen.control.path).toBe('/run/lastcall/app1.sock');
  expect(config.state).toBe('/var/lib/lastcall/app1.json');
});

test('the log is text on a terminal, unless the file says otherwise', async () => {
  expect((await configOf(MINIMAL, { isTerminal: true })).log).toEqual({ level: 'info', format: 'text' });
  const written = `${MINIMAL}log: { level: debug, format: json }\n`;
  expect((await configOf(written, { isTerminal: true })).log).toEqual({ level: 'debug', format: 'json' });
});

test('quiet written by hand is known as such, even where it is the default or nothing', async () => {
  const withOne = await configOf(`${MINIMAL}drain: { quiet: 1s }\n`);
  expect(withOne.drain).toMatchObject({ quietMs: 1_000, quietExplicit: true });
  const withNothing = await configOf(`${MINIMAL}drain: { quiet: 0s }\n`);
  expect(withNothing.drain).toMatchObject({ quietMs: 0, quietExplicit: true });
});

test('a drain that never expires may be written down', async () => {
  expect((await configOf(`${MINIMAL}drain: { expires: never }\n`)).drain.expiresMs).toBeNull();
  expect(
    (await configOf(`${MINIMAL}drain: { expires: 2h }\napp: { probe: { tcp: 80 } }\n`)).drain.expiresMs,
  ).toBe(7_200_000);
});

describe('a probe', () => {
  const cadence = { everyMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 };
  const http = {
    kind: 'http',
    url: 'http://a/',
    healthy: [200],
    signOut: { status: [], body: null },
    headers: {},
  };
  test.each([
    ['http: { url: "http://a/" }', { how: http, ...cadence }],
    ['tcp: 10.0.0.1:80', { how: { kind: 'tcp', host: '10.0.0.1', port: 80 }, ...cadence }],
    ['tcp: "[::1]:80"', { how: { kind: 'tcp', host: '::1', port: 80 }, ...cadence }],
    ['tcp: 8080', { how: { kind: 'tcp', host: '127.0.0.1', port: 8080 }, ...cadence }],
    ['command: [check, ""]', { how: { kind: 'command', command: ['check', ''] }, ...cadence }],
    [
      'tcp: app:80, every: 5s, timeout: 500ms, rise: 1, fall: 1',
      { how: { kind: 'tcp', host: 'app', port: 80 }, everyMs: 5_000, timeoutMs: 500, rise: 1, fall: 1 },
    ],
  ])('written as { %s } is complete', async (written, probe) => {
    expect((await configOf(`${MINIMAL}app: { probe: { ${written} } }\n`)).app.probe).toEqual(probe);
  });
});

describe('a start or stop', () => {
  const unproven = { gone: null, idempotent: false };
  const stop = { kind: 'command', command: ['a'], timeoutMs: 120_000 };
  test.each([
    ['start: { command: [a, b] }', { start: { command: ['a', 'b'], timeoutMs: 120_000 } }],
    ['start: { command: [a, 18081] }', { start: { command: ['a', '18081'], timeoutMs: 120_000 } }],
    [
      'stop: { command: [a] }',
      { stop: { kind: 'command', command: ['a'], timeoutMs: 120_000, ...unproven } },
    ],
    [
      'stop: { command: [a], timeout: 3s }',
      { stop: { kind: 'command', command: ['a'], timeoutMs: 3_000, ...unproven } },
    ],
    [
      'stop: { command: [a], gone: { pidFile: /run/a.pid }, idempotent: true }',
      { stop: { ...stop, gone: { kind: 'pidFile', path: '/run/a.pid' }, idempotent: true } },
    ],
    [
      'stop: { command: [a], gone: { port: 8080 } }',
      { stop: { ...stop, gone: { kind: 'port', port: 8080 }, idempotent: false } },
    ],
    ['start: { systemd: tomcat10 }', { start: { unit: 'tomcat10.service', timeoutMs: 120_000 } }],
    [
      'start: { command: [systemctl, start, app@1.service], timeout: 3s }',
      { start: { unit: 'app@1.service', timeoutMs: 3_000 } },
    ],
    [
      'stop: { systemd: tomcat-9.0, timeout: 3s }',
      { stop: { kind: 'systemd', unit: 'tomcat-9.0.service', timeoutMs: 3_000 } },
    ],
    [
      'stop: { command: [/bin/systemctl, stop, tomcat10] }',
      { stop: { kind: 'systemd', unit: 'tomcat10.service', timeoutMs: 120_000 } },
    ],
    [
      'stop: { command: [systemctl, --no-block, stop, a] }',
      { stop: { ...stop, command: ['systemctl', '--no-block', 'stop', 'a'], ...unproven } },
    ],
    [
      'stop: { http: { url: "http://a/s", headers: { X-Token: t } }, gone: { port: 80 } }',
      {
        stop: {
          kind: 'http',
          url: 'http://a/s',
          headers: { 'X-Token': 't' },
          timeoutMs: 120_000,
          gone: { kind: 'port', port: 80 },
        },
      },
    ],
    [
      'stop: { docker: { container: app1 } }',
      { stop: { kind: 'docker', container: 'app1', socket: '/var/run/docker.sock', timeoutMs: 30_000 } },
    ],
    [
      'stop: { signal: { pidFile: /run/a.pid } }',
      { stop: { kind: 'signal', name: 'SIGTERM', pidFile: '/run/a.pid', pid: null, killAfterMs: 30_000 } },
    ],
    [
      'stop: { signal: { name: SIGQUIT, pidFile: /a, killAfter: 5s } }',
      { stop: { kind: 'signal', name: 'SIGQUIT', pidFile: '/a', pid: null, killAfterMs: 5_000 } },
    ],
  ])('written as { %s } is complete', async (written, app) => {
    expect((await configOf(`${MINIMAL}app: { ${written} }\n`)).app).toMatchObject(app);
  });
});

describe('a session source', () => {
  const http = { kind: 'http', url: 'http://a/', headers: {}, timeoutMs: 5_000 };
  const tomcat = {
    kind: 'tomcat',
    url: 'http://a/manager',
    user: 'u',
    passwordFile: '/f',
    context: '/app',
    via: 'list',
    lowerExpiry: false,
    timeoutMs: 5_000,
  };
  const manager = 'url: http://a/manager, user: u, passwordFile: /f, context: /app';
  test.each([
    ['http: { url: "http://a/" }', { ...http, reading: { kind: 'number' } }],
    ['http: { url: "http://a/" }, timeout: 2s', { ...http, reading: { kind: 'number' }, timeoutMs: 2_000 }],
    ['http: { url: "http://a/", json: /a~1b/0 }', { ...http, reading: { kind: 'json', pointer: '/a~1b/0' } }],
    [
      "http: { url: 'http://a/', regex: 'active: (\\d+)' }",
      { ...http, reading: { kind: 'regex', pattern: 'active: (\\d+)' } },
    ],
    [
      `http: { url: "http://a/", prometheus: 'n{context="/app"}' }`,
      { ...http, reading: { kind: 'prometheus', series: 'n{context="/app"}' } },
    ],
    [`tomcat: { ${manager} }`, tomcat],
    [
      `tomcat: { ${manager}, via: jmxproxy, lowerExpiry: true }, timeout: 1s`,
      { ...tomcat, via: 'jmxproxy', lowerExpiry: true, timeoutMs: 1_000 },
    ],
    [
      'files: { path: "/s/sess_*", youngerThan: 24m }',
      { kind: 'files', path: '/s/sess_*', youngerThanMs: 1_440_000, timeoutMs: 5_000 },
    ],
    ['command: [count, ""]', { kind: 'command', command: ['count', ''], timeoutMs: 5_000 }],
    [
      'stickTable: { table: app }',
      { kind: 'stickTable', table: 'app', server: null, expireMs: null, timeoutMs: 5_000 },
    ],
    [
      'stickTable: { table: app, server: app/app1 }',
      { kind: 'stickTable', table: 'app', server: 'app/app1', expireMs: null, timeoutMs: 5_000 },
    ],
    [
      'stickTable: { table: mypeers/app, server: app/app1, expire: 30m }, timeout: 1s',
      { kind: 'stickTable', table: 'mypeers/app', server: 'app/app1', expireMs: 1_800_000, timeoutMs: 1_000 },
    ],
    ['tcp: 8080', { kind: 'tcp', port: 8080, timeoutMs: 5_000 }],
    ['idle: 30m', { kind: 'idle', periodMs: 1_800_000, timeoutMs: 5_000 }],
  ])('written as { %s } is complete', async (written, source) => {
    expect((await configOf(`${MINIMAL}sessions: [{ ${written} }]\n`)).sessions).toEqual([source]);
  });
});

test('a calendar entry has a reason and the time zone of the machine', async () => {
  const app = 'app: { start: { command: [a] }, stop: { command: [b], gone: { port: 80 } } }\n';
  const config = await configOf(`${MINIMAL}${app}schedule:\n  - { cron: "0 4 * * 0", do: restart }\n`);
  expect(config.schedule).toEqual([
    { cron: '0 4 * * 0', timezone: null, do: 'restart', reason: 'schedule', jitterMs: 0, when: null },
  ]);
});

test('the control socket is a path, or a mapping that may leave the path out', async () => {
  const short = await configOf(`${MINIMAL}listen: { control: /run/a.sock }\n`);
  expect(short.listen.control).toEqual({ path: '/run/a.sock', mode: 0o600, group: null });
  const long = await configOf(`${MINIMAL}listen: { control: { mode: "0660", group: deploy } }\n`);
  expect(long.listen.control).toEqual({ path: '/run/lastcall/host1.sock', mode: 0o660, group: 'deploy' });
});

test('agent-check is answered to all who reach it, unless the file names them', async () => {
  const open = await configOf(`${MINIMAL}listen: { agentCheck: { address: 0.0.0.0:7001 } }\n`);
  expect(open.listen.agentCheck).toEqual({ host: '0.0.0.0', port: 7001, allow: [] });
  const closed = await configOf(
    `${MINIMAL}listen: { agentCheck: { address: "[::]:7001", allow: [10.0.0.0/24, "::1"] } }\n`,
  );
  expect(closed.listen.agentCheck).toEqual({ host: '::', port: 7001, allow: ['10.0.0.0/24', '::1'] });
});
