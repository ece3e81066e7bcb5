import { describe, expect, test } from '@jest/globals';
import { problemsOf, refuses } from './support.ts';

const TOP =
  'node, app, balancers, ignoreServers, unreachable, foreignDrain, reloadGrace, sticky, sessions, drain, return, pool, lock, schedule, hooks, listen, state, audit, adopt, log';
const DRAIN = 'timeout, onTimeout, quiet, keep, keepBackups, expires, gate, warn, pace';

describe('an unknown key is refused at the key, with those that are known', () => {
  refuses([
    ['drian: {}', `4:1: drian: unknown key, known here: ${TOP}`],
    ['drain: { timout: 2s }', `4:10: drain.timout: unknown key, known here: ${DRAIN}`],
    [
      'app: { probe: { tcp: 1, evry: 2s } }',
      '4:25: app.probe.evry: unknown key, known here: tcp, every, timeout, rise, fall',
    ],
    [
      'app: { probe: { http: { url: "http://a", signOut: { stat: [1] } } } }',
      '4:53: app.probe.http.signOut.stat: unknown key, known here: status, body',
    ],
    ['"a\\nb": 1', `4:1: ["a\\nb"]: unknown key, known here: ${TOP}`],
    ['__proto__: { drain: 1 }', `4:1: __proto__: unknown key, known here: ${TOP}`],
    ['<<: { drain: {} }', `4:1: ["<<"]: unknown key, known here: ${TOP}`],
    ['? [a]\n: 1', `4:3: ["[\\"a\\"]"]: unknown key, known here: ${TOP}`],
    ['1: 2', `4:1: ["1"]: unknown key, known here: ${TOP}`],
    ['a: 1\nb: 2', `4:1: a: unknown key, known here: ${TOP}`, `5:1: b: unknown key, known here: ${TOP}`],
  ]);
});

describe('a key that has no feature behind it yet is refused', () => {
  refuses([
    [
      'app: { onUnhealthy: ignore }',
      '4:8: app.onUnhealthy: unknown key, known here: probe, onSignOut, start, stop',
    ],
    [
      'app: { stop: { kubernetes: tomcat10 } }',
      '4:14: app.stop: needs command, systemd, signal, http or docker',
      '4:16: app.stop.kubernetes: unknown key, known here: command, timeout, gone, idempotent, systemd, signal, http, docker',
    ],
    [
      'sessions: [{ redis: { url: "http://a" } }]',
      '4:12: sessions[0]: needs http, tomcat, files, command, stickTable, tcp or idle',
      '4:14: sessions[0].redis: unknown key, known here: http, timeout, tomcat, files, command, stickTable, tcp, idle',
    ],
    [
      'sessions: [{ http: { url: "http://a", xpath: x } }]',
      '4:39: sessions[0].http.xpath: unknown key, known here: url, json, regex, prometheus, headers',
    ],
  ]);
  test('at a balancer', async () => {
    expect(
      await problemsOf(
        'balancers:\n  - haproxy: /a\n    servers: [b/s]\n    mister: /m\n    tls: {}\n  - dns: {}\n',
      ),
    ).toEqual([
      '4:5: balancers[0].mister: unknown key, known here: haproxy, master, tls, writer, servers, stateFile',
      ...['ca', 'cert', 'key'].map((key) => `5:10: balancers[0].tls.${key}: is required`),
      '6:5: balancers[1]: needs haproxy, agentCheck or health',
      '6:5: balancers[1].dns: unknown key, known here: haproxy, master, tls, writer, servers, stateFile, agentCheck, health',
    ]);
  });
});

describe('another type is refused at the value', () => {
  refuses([
    ['node: 12', '4:7: node: expected a text, got a whole number, put it in quotes'],
    ['node: true', '4:7: node: expected a text, got true, put it in quotes'],
    ['node: [a]', '4:7: node: expected a text, got a list'],
    ['drain:', '4:1: drain: expected a mapping, got nothing'],
    ['drain: 5m', '4:8: drain: expected a mapping, got a text'],
    ['sessions: {}', '4:11: sessions: expected a list, got a mapping'],
    ['sticky: yes', '4:9: sticky: expected true, false or auto'],
    ['adopt: "false"', '4:8: adopt: expected true or false, got a text, take the quotes away'],
    ['drain: { keep: 1.5 }', '4:16: drain.keep: expected a whole number, got a number'],
    ['drain: { keep: "1" }', '4:16: drain.keep: expected a number, got a text, take the quotes away'],
    ['drain: { keep: .nan }', '4:16: drain.keep: expected a number, got no number'],
    ['drain: { keep: -1 }', '4:16: drain.keep: must be 0 or more'],
    ['drain: { keep: 1e300 }', '4:16: drain.keep: must be 10000 or less: no backend has so many servers'],
    ['drain: { onTimeout: giveup }', '4:21: drain.onTimeout: expected restore, force or hold'],
    [
      'log: { level: trace, format: xml }',
      '4:15: log.level: expected error, warn, info or debug',
      '4:30: log.format: expected json or text',
    ],
    ['app: { onSignOut: restart }', '4:19: app.onSignOut: expected drain, stop or ignore'],
    ['app: { probe: { tcp: 1, rise: 0 } }', '4:31: app.probe.rise: must be 1 or more'],
    [
      'schedule: [{ cron: "* * * * *", do: stop }]',
      '4:37: schedule[0].do: expected restart, drain, ready or reboot',
    ],
    ['listen: { control: 5 }', '4:20: listen.control: expected a path, or a mapping of path, mode and group'],
  ]);
  test('and a file that is no mapping', async () => {
    expect(await problemsOf('')).toEqual(['1:1: expected a mapping, got nothing']);
    expect(await problemsOf('# nothing yet\n')).toEqual(['1:1: expected a mapping, got nothing']);
    expect(await problemsOf('- a\n')).toEqual(['1:1: expected a mapping, got a list']);
    expect(await problemsOf('a b c\n')).toEqual(['1:1: expected a mapping, got a text']);
  });
});

describe('what is missing is reported where it is missing', () => {
  refuses([
    ['sessions: [{ http: {} }]', '4:20: sessions[0].http.url: is required'],
    [
      'sessions: [{ tomcat: {} }]',
      '4:22: sessions[0].tomcat.url: is required',
      '4:22: sessions[0].tomcat.user: is required',
      '4:22: sessions[0].tomcat.passwordFile: is required',
      '4:22: sessions[0].tomcat.context: is required',
    ],
    ['sessions: [{ files: { path: /s/a_* } }]', '4:21: sessions[0].files.youngerThan: is required'],
    ['app: { stop: { signal: {} } }', '4:24: app.stop.signal.pidFile: is required'],
    ['schedule: [{ do: drain }]', '4:12: schedule[0].cron: is required'],
    ['listen: { agentCheck: { allow: [] } }', '4:23: listen.agentCheck.address: is required'],
    ['app: { probe: { every: 2s } }', '4:15: app.probe: needs http, tcp or command'],
    ['app: { stop: {} }', '4:14: app.stop: needs command, systemd, signal, http or docker'],
  ]);
  test('a balancer, its servers, and its kind', async () => {
    expect(await problemsOf('node: a\n')).toEqual(['1:1: balancers: is required']);
    expect(await problemsOf('balancers: []\n')).toEqual(['1:12: balancers: must not be empty']);
    expect(
      await problemsOf('balancers:\n  - haproxy: /a\n  - haproxy: /b\n    servers: []\n  - {}\n'),
    ).toEqual([
      '2:5: balancers[0].servers: is required',
      '4:14: balancers[1].servers: must not be empty',
      '5:5: balancers[2]: needs haproxy, agentCheck or health',
    ]);
  });
});

describe('only one kind may be written', () => {
  refuses([
    ['app: { probe: { tcp: 1, command: [a] } }', '4:15: app.probe: takes only one of http, tcp or command'],
    [
      'app: { stop: { command: [a], signal: {} } }',
      '4:14: app.stop: takes only one of command, systemd, signal, http or docker',
    ],
    [
      'app: { stop: { command: [a], gone: { pidFile: /a, port: 1 } } }',
      '4:36: app.stop.gone: takes only one of pidFile or port',
    ],
    [
      'app: { stop: { signal: { pidFile: /a }, gone: { port: 1 } } }',
      '4:41: app.stop.gone: unknown key, known here: signal',
    ],
    [
      'sessions: [{ command: [a], http: { url: "http://a" } }]',
      '4:12: sessions[0]: takes only one of http, tomcat, files, command, stickTable, tcp or idle',
    ],
    [
      'sessions: [{ http: { url: "http://a", json: /a, regex: "(1)" } }]',
      '4:20: sessions[0].http: takes only one of json, regex or prometheus',
    ],
  ]);
  test('at a balancer', async () => {
    expect(await problemsOf('balancers:\n  - haproxy: /a\n    agentCheck: {}\n')).toEqual([
      '2:5: balancers[0]: takes only one of haproxy, agentCheck or health',
    ]);
  });
});

test('all problems are reported, in the order of the file', async () => {
  expect(
    await problemsOf(
      'drain: { keep: -1, quiet: 3 }\nnode: 5\nbalancers:\n  - haproxy: x\n    writer: y\nfoo: 1\n',
    ),
  ).toEqual([
    '1:16: drain.keep: must be 0 or more',
    '1:27: drain.quiet: has no unit, write for example 3s',
    '2:7: node: expected a text, got a whole number, put it in quotes',
    '4:5: balancers[0].servers: is required',
    '4:14: balancers[0].haproxy: is not an address, write unix:/path, /path, tcp://host:port or tls://host:port',
    '5:13: balancers[0].writer: expected runtime or agent-check',
    `6:1: foo: unknown key, known here: ${TOP}`,
  ]);
});
