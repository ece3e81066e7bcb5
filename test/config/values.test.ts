import { describe, expect, test } from '@jest/globals';
import { MINIMAL, problemsOf } from './support.ts';

/** What is added in line 4, and every problem it makes. */
function refuses(cases: readonly (readonly [added: string, ...problems: string[]])[]): void {
  test.each(cases.map(([added, ...problems]) => ({ added, problems })))(
    '$added',
    async ({ added, problems }) => {
      expect(await problemsOf(`${MINIMAL}${added}\n`)).toEqual(problems);
    },
  );
}

const TOP = 'node, app, balancers, sticky, sessions, drain, schedule, listen, state, adopt, log';

describe('an unknown key is refused at the key, with those that are known', () => {
  refuses([
    ['drian: {}', `4:1: drian: unknown key, known here: ${TOP}`],
    [
      'drain: { timout: 2s }',
      '4:10: drain.timout: unknown key, known here: timeout, onTimeout, quiet, keep, expires',
    ],
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

describe('a key of the contract without a feature behind it is refused', () => {
  refuses([
    ['unreachable: wait', `4:1: unreachable: unknown key, known here: ${TOP}`],
    ['reloadGrace: 10m', `4:1: reloadGrace: unknown key, known here: ${TOP}`],
    ['return: { warmUp: 30s }', `4:1: return: unknown key, known here: ${TOP}`],
    ['pool: { name: app, slots: 1 }', `4:1: pool: unknown key, known here: ${TOP}`],
    ['lock: { file: /run/lock/app.lock }', `4:1: lock: unknown key, known here: ${TOP}`],
    ['audit: /var/log/lastcall/app1.log', `4:1: audit: unknown key, known here: ${TOP}`],
    [
      'app: { onUnhealthy: ignore }',
      '4:8: app.onUnhealthy: unknown key, known here: probe, onSignOut, start, stop',
    ],
    [
      'app: { stop: { systemd: tomcat10 } }',
      '4:14: app.stop: needs command or signal',
      '4:16: app.stop.systemd: unknown key, known here: command, timeout, signal',
    ],
    [
      'drain: { gate: { on: [a] } }',
      '4:10: drain.gate: unknown key, known here: timeout, onTimeout, quiet, keep, expires',
    ],
    ['listen: { health: 0.0.0.0:7002 }', '4:11: listen.health: unknown key, known here: agentCheck, control'],
    [
      'listen: { metrics: 127.0.0.1:7003 }',
      '4:11: listen.metrics: unknown key, known here: agentCheck, control',
    ],
    ['listen: { hooks: {} }', '4:11: listen.hooks: unknown key, known here: agentCheck, control'],
    [
      'sessions: [{ stickTable: { table: app } }]',
      '4:12: sessions[0]: needs http',
      '4:14: sessions[0].stickTable: unknown key, known here: http',
    ],
    [
      'sessions: [{ http: { url: "http://a", regex: x } }]',
      '4:39: sessions[0].http.regex: unknown key, known here: url, json',
    ],
  ]);
  test('at a balancer', async () => {
    const known = 'unknown key, known here: haproxy, writer, servers';
    expect(
      await problemsOf(
        'balancers:\n  - haproxy: /a\n    servers: [b/s]\n    master: /m\n    tls: {}\n  - health: {}\n',
      ),
    ).toEqual([
      `4:5: balancers[0].master: ${known}`,
      `5:5: balancers[0].tls: ${known}`,
      '6:5: balancers[1]: needs haproxy or agentCheck',
      '6:5: balancers[1].health: unknown key, known here: haproxy, writer, servers, agentCheck',
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
    ['drain: { keep: 1e300 }', '4:16: drain.keep: must be 9007199254740991 or less'],
    ['drain: { onTimeout: giveup }', '4:21: drain.onTimeout: expected restore, force or hold'],
    [
      'log: { level: trace, format: xml }',
      '4:15: log.level: expected error, warn, info or debug',
      '4:30: log.format: expected json or text',
    ],
    ['app: { onSignOut: restart }', '4:19: app.onSignOut: expected drain, stop or ignore'],
    ['app: { probe: { tcp: 1, rise: 0 } }', '4:31: app.probe.rise: must be 1 or more'],
    ['schedule: [{ cron: "* * * * *", do: stop }]', '4:37: schedule[0].do: expected restart, drain or ready'],
    ['listen: { control: 5 }', '4:20: listen.control: expected a path, or a mapping of path, mode and group'],
  ]);
  test('and a file that is no mapping', async () => {
    expect(await problemsOf('')).toEqual(['1:1: expected a mapping, got nothing']);
    expect(await problemsOf('# nothing yet\n')).toEqual(['1:1: expected a mapping, got nothing']);
    expect(await problemsOf('- a\n')).toEqual(['1:1: expected a mapping, got a list']);
    expect(await problemsOf('a b c\n')).toEqual(['1:1: expected a mapping, got a text']);
  });
});

describe('what is missing is told where it is missing', () => {
  refuses([
    ['sessions: [{ http: {} }]', '4:20: sessions[0].http.url: is required'],
    ['app: { stop: { signal: {} } }', '4:24: app.stop.signal.pidFile: is required'],
    ['schedule: [{ do: drain }]', '4:12: schedule[0].cron: is required'],
    ['listen: { agentCheck: { allow: [] } }', '4:23: listen.agentCheck.address: is required'],
    ['app: { probe: { every: 2s } }', '4:15: app.probe: needs http, tcp or command'],
    ['app: { stop: {} }', '4:14: app.stop: needs command or signal'],
  ]);
  test('a balancer, its servers, and its kind', async () => {
    expect(await problemsOf('node: a\n')).toEqual(['1:1: balancers: is required']);
    expect(await problemsOf('balancers: []\n')).toEqual(['1:12: balancers: must not be empty']);
    expect(
      await problemsOf('balancers:\n  - haproxy: /a\n  - haproxy: /b\n    servers: []\n  - {}\n'),
    ).toEqual([
      '2:5: balancers[0].servers: is required',
      '4:14: balancers[1].servers: must not be empty',
      '5:5: balancers[2]: needs haproxy or agentCheck',
    ]);
  });
});

describe('only one kind may be written', () => {
  refuses([
    ['app: { probe: { tcp: 1, command: [a] } }', '4:15: app.probe: takes only one of http, tcp or command'],
    ['app: { stop: { command: [a], signal: {} } }', '4:14: app.stop: takes only one of command or signal'],
  ]);
  test('at a balancer', async () => {
    expect(await problemsOf('balancers:\n  - haproxy: /a\n    agentCheck: {}\n')).toEqual([
      '2:5: balancers[0]: takes only one of haproxy or agentCheck',
    ]);
  });
});

describe('a duration has a unit and is longer than nothing', () => {
  refuses([
    ['drain: { timeout: 30 }', '4:19: drain.timeout: has no unit, write for example 30s'],
    ['drain: { timeout: "30" }', '4:19: drain.timeout: "30" has no unit, write for example 30s'],
    ['drain: { timeout: -5s }', '4:19: drain.timeout: "-5s" must not be negative'],
    ['drain: { timeout: }', '4:10: drain.timeout: expected a duration such as 30s'],
    [
      'drain: { timeout: never }',
      '4:19: drain.timeout: "never" is not a duration, write for example 500ms, 2s, 5m or 1h30m',
    ],
    ['drain: { timeout: 0s }', '4:19: drain.timeout: "0s" must be longer than nothing'],
    ['drain: { expires: 0s }', '4:19: drain.expires: "0s" must be longer than nothing'],
    ['drain: { quiet: 0 }', '4:17: drain.quiet: has no unit, write for example 0s'],
    ['app: { probe: { tcp: 1, timeout: 0s } }', '4:34: app.probe.timeout: "0s" must be longer than nothing'],
    [
      'app: { probe: { tcp: 1, every: 999999h } }',
      '4:32: app.probe.every: "999999h" is longer than 596h, the longest a timer can wait',
    ],
    [
      'app: { start: { command: [a], timeout: 1x } }',
      '4:40: app.start.timeout: "1x" is not a duration, write for example 500ms, 2s, 5m or 1h30m',
    ],
    [
      'app: { stop: { signal: { pidFile: /a, killAfter: 0s } } }',
      '4:50: app.stop.signal.killAfter: "0s" must be longer than nothing',
    ],
  ]);
});

describe('a program is a list, and no shell sees it', () => {
  refuses([
    [
      'app: { start: { command: systemctl start a } }',
      '4:26: app.start.command: expected a list of program and arguments, such as [systemctl, stop, app]; no shell is used',
    ],
    ['app: { start: { command: [] } }', '4:26: app.start.command: names no program'],
    ['app: { stop: { command: [""] } }', '4:25: app.stop.command: names no program'],
    [
      'app: { stop: { command: [sleep, 5] } }',
      '4:33: app.stop.command[1]: expected a text, got a whole number, put it in quotes',
    ],
    [
      'app: { probe: { command: ["a\\0b"] } }',
      '4:27: app.probe.command[0]: a NUL character is legal nowhere',
    ],
  ]);
});

describe('a URL is http or https', () => {
  const url = (written: string): string => `sessions: [{ http: { url: "${written}" } }]`;
  const at = '4:27: sessions[0].http.url:';
  refuses([
    [url('ftp://a/'), `${at} must begin with http:// or https://`],
    [url('file:///etc/passwd'), `${at} must begin with http:// or https://`],
    [url('127.0.0.1:8080/x'), `${at} is not a URL`],
    [url('http://'), `${at} is not a URL`],
    [url('http://a/ b'), `${at} is not a URL`],
    [url('http://a\\n/'), `${at} is not a URL`],
    [url(''), `${at} is not a URL`],
  ]);
});

describe('a JSON pointer begins with a slash', () => {
  const pointer = (written: string): string =>
    `sessions: [{ http: { url: "http://a", json: "${written}" } }]`;
  const wrong = '4:45: sessions[0].http.json: is not a JSON pointer such as /active or /data/0/count';
  refuses([
    [pointer('active'), wrong],
    [pointer('/a~2'), wrong],
    [pointer('$.active'), wrong],
  ]);
});

describe('a path is absolute and names a file', () => {
  refuses([
    ['state: app1.json', '4:8: state: must be an absolute path'],
    ['state: /var/lib/', '4:8: state: must name a file, not a directory'],
    ['state: "/a\\nb"', '4:8: state: a path holds no control characters'],
    [
      'app: { stop: { signal: { pidFile: app.pid } } }',
      '4:35: app.stop.signal.pidFile: must be an absolute path',
    ],
    ['listen: { control: app1.sock }', '4:20: listen.control: must be an absolute path'],
    ['listen: { control: { path: app1.sock } }', '4:28: listen.control.path: must be an absolute path'],
  ]);
});

describe('the path of a unix socket has at most 107 bytes', () => {
  const long = (bytes: number): string => `/${'x'.repeat(bytes - 1)}`;
  const message = (bytes: number): string =>
    `is ${bytes} bytes long, the path of a unix socket has at most 107`;
  refuses([
    [`listen: { control: ${long(107)} }`],
    [`listen: { control: ${long(108)} }`, `4:20: listen.control: ${message(108)}`],
    [`listen: { control: /${'é'.repeat(54)} }`, `4:20: listen.control: ${message(109)}`],
    [`listen: { control: { path: ${long(108)} } }`, `4:28: listen.control.path: ${message(108)}`],
  ]);
  test('at a balancer too', async () => {
    expect(await problemsOf(`balancers:\n  - haproxy: unix:${long(107)}\n    servers: [b/s]\n`)).toEqual([]);
    expect(await problemsOf(`balancers:\n  - haproxy: unix:${long(108)}\n    servers: [b/s]\n`)).toEqual([
      `2:14: balancers[0].haproxy: ${message(108)}`,
    ]);
  });
});

describe('the mode of the control socket is octal and in quotes', () => {
  const wrong = '4:28: listen.control.mode: expected an octal mode in quotes, write for example "0660"';
  refuses([
    ['listen: { control: { mode: 0660 } }', wrong],
    ['listen: { control: { mode: 0o660 } }', wrong],
    ['listen: { control: { mode: "0880" } }', wrong],
    ['listen: { control: { mode: "7777" } }', wrong],
    ['listen: { control: { mode: rw } }', wrong],
    ['listen: { control: { group: "a b" } }', '4:29: listen.control.group: is not the name of a group'],
  ]);
});

describe('an address has a host and a port', () => {
  const wrong = 'is not host:port, write for example 127.0.0.1:8080 or [::1]:8080';
  const listen = (address: string): string => `listen: { agentCheck: { address: "${address}" } }`;
  refuses([
    ...[
      '7001',
      'host:0',
      'host:65536',
      '1.2.3.400:80',
      '::1:80',
      '[1.2.3.4]:80',
      'a b:80',
      ':80',
      'host:',
      'a:1:2',
    ].map((address) => [listen(address), `4:34: listen.agentCheck.address: ${wrong}`] as const),
    ['app: { probe: { tcp: 0 } }', `4:22: app.probe.tcp: ${wrong}`],
    ['app: { probe: { tcp: 70000 } }', `4:22: app.probe.tcp: ${wrong}`],
    ['app: { probe: { tcp: 80.5 } }', `4:22: app.probe.tcp: ${wrong}`],
  ]);
});

describe('a network is an address or a block', () => {
  const wrong = 'is not an address or a block such as 10.0.0.0/24';
  refuses(
    ['10.0.0.0/33', '::/129', '10.0.0', 'host', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-1'].map((network) => [
      `listen: { agentCheck: { address: "a:1", allow: ["${network}"] } }`,
      `4:49: listen.agentCheck.allow[0]: ${wrong}`,
    ]),
  );
});

describe('a balancer', () => {
  const balancer = (haproxy: string, server = 'app/app1'): string =>
    `balancers:\n  - haproxy: ${JSON.stringify(haproxy)}\n    servers: [${JSON.stringify(server)}]\n`;

  test.each(['tls://10.0.0.1:9999', 'http://a:1', 'tcp://a', 'tcp://:1', 'admin.sock', 'ipv4@a:1', ''])(
    'is not reached by %j',
    async (address) => {
      expect(await problemsOf(balancer(address))).toEqual([
        '2:14: balancers[0].haproxy: is not an address, write unix:/path, /path or tcp://host:port',
      ]);
    },
  );

  test.each(['unix:/a', '/a', 'tcp://10.0.0.1:9999', 'tcp://lb:9999', 'tcp://[::1]:9999'])(
    'is reached by %j',
    async (address) => {
      expect(await problemsOf(balancer(address))).toEqual([]);
    },
  );

  test.each([
    'app',
    'app/',
    '/app1',
    'a/b/c',
    'app/a b',
    'app/a;b',
    'app/a\nb',
    'app/a\tb',
    'äpp/app1',
    `a/${'b'.repeat(129)}`,
  ])('has no server %j', async (server) => {
    const problems = await problemsOf(balancer('/a', server));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^3:15: balancers\[0\]\.servers\[0\]: /);
  });

  test.each(['', 'a b', 'ä', 'a\\n'])('that polls has no id "%s"', async (id) => {
    const text = `balancers:\n  - agentCheck: { from: [10.0.0.1], id: "${id}" }\n`;
    expect(await problemsOf(text)).toEqual([
      '2:41: balancers[0].agentCheck.id: an id has 1 to 128 printable ASCII characters and no blank',
    ]);
  });

  test('that polls has an address', async () => {
    expect(await problemsOf('balancers:\n  - agentCheck: { id: a }\n  - agentCheck: { from: [] }\n')).toEqual(
      [
        '2:17: balancers[0].agentCheck.from: is required',
        '3:25: balancers[1].agentCheck.from: must not be empty',
      ],
    );
  });
});

describe('a node has a name that can be the name of a file', () => {
  const wrong =
    'a node name has 1 to 64 letters, digits, underscores, dots and dashes, and begins with neither of the last two';
  refuses(
    ['', '.', '..', 'a/b', 'a b', '-a', 'ä', 'a'.repeat(65)].map((name) => [
      `node: "${name}"`,
      `4:7: node: ${wrong}`,
    ]),
  );
  test('the host name too', async () => {
    expect(await problemsOf(MINIMAL, { hostname: 'a/b' })).toEqual([
      `1:1: node: the host name "a/b" cannot be used, write a name: ${wrong}`,
    ]);
  });
});

describe('a signal is one of this system', () => {
  refuses([
    [
      'app: { stop: { signal: { name: TERM, pidFile: /a } } }',
      '4:32: app.stop.signal.name: is not the name of a signal, write for example SIGTERM',
    ],
    [
      'app: { stop: { signal: { name: 15, pidFile: /a } } }',
      '4:32: app.stop.signal.name: expected a text, got a whole number, put it in quotes',
    ],
  ]);
});

describe('a sign-out is a status or a text', () => {
  refuses([
    [
      'app: { probe: { http: { url: "http://a", healthy: [] } } }',
      '4:51: app.probe.http.healthy: must not be empty',
    ],
    [
      'app: { probe: { http: { url: "http://a", healthy: [99] } } }',
      '4:52: app.probe.http.healthy[0]: must be 100 or more',
    ],
    [
      'app: { probe: { http: { url: "http://a", healthy: [600] } } }',
      '4:52: app.probe.http.healthy[0]: must be 599 or less',
    ],
    [
      'app: { probe: { http: { url: "http://a", signOut: { body: "" } } } }',
      '4:59: app.probe.http.signOut.body: must not be empty',
    ],
  ]);
});

test('all problems are told, in the order of the file', async () => {
  expect(
    await problemsOf(
      'drain: { keep: -1, quiet: 3 }\nnode: 5\nbalancers:\n  - haproxy: x\n    writer: y\nfoo: 1\n',
    ),
  ).toEqual([
    '1:16: drain.keep: must be 0 or more',
    '1:27: drain.quiet: has no unit, write for example 3s',
    '2:7: node: expected a text, got a whole number, put it in quotes',
    '4:5: balancers[0].servers: is required',
    '4:14: balancers[0].haproxy: is not an address, write unix:/path, /path or tcp://host:port',
    '5:13: balancers[0].writer: expected runtime or agent-check',
    `6:1: foo: unknown key, known here: ${TOP}`,
  ]);
});
