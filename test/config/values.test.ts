import { describe, expect, test } from '@jest/globals';
import { MINIMAL, problemsOf, refuses } from './support.ts';

describe('a duration has a unit and is longer than nothing', () => {
  refuses([
    ['drain: { timeout: 30 }', '4:19: drain.timeout: has no unit, write for example 30s'],
    ['drain: { timeout: "30" }', '4:19: drain.timeout: "30" has no unit, write for example 30s'],
    ['drain: { timeout: -5s }', '4:19: drain.timeout: "-5s" must not be negative'],
    ['drain: { timeout: -1 }', '4:19: drain.timeout: must not be negative, write for example 30s'],
    ['drain: { timeout: 0 }', '4:19: drain.timeout: has no unit, write for example 30s'],
    ['drain: { timeout: 1.5 }', '4:19: drain.timeout: has no unit, write for example 1500ms'],
    ['drain: { timeout: 1e21 }', '4:19: drain.timeout: has no unit, write for example 30s'],
    ['drain: { quiet: .nan }', '4:17: drain.quiet: has no unit, write for example 30s'],
    ['drain: { timeout: }', '4:10: drain.timeout: expected a duration such as 30s'],
    [
      'drain: { timeout: never }',
      '4:19: drain.timeout: "never" is not a duration, write for example 500ms, 2s, 5m or 1h30m',
    ],
    ['drain: { timeout: 0s }', '4:19: drain.timeout: "0s" must be longer than nothing'],
    ['drain: { expires: 0s }', '4:19: drain.expires: "0s" must be longer than nothing'],
    ['return: { soak: -1s }', '4:17: return.soak: "-1s" must not be negative'],
    ['return: { warmUp: 30 }', '4:19: return.warmUp: has no unit, write for example 30s'],
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

describe('a number has a bound, and the message its reason', () => {
  const row = 'a longer row of equal answers decides too late';
  refuses([
    ['app: { probe: { tcp: 1, rise: 101 } }', `4:31: app.probe.rise: must be 100 or less: ${row}`],
    ['app: { probe: { tcp: 1, fall: 1e9 } }', `4:31: app.probe.fall: must be 100 or less: ${row}`],
    ['drain: { keep: 10001 }', '4:16: drain.keep: must be 10000 or less: no backend has so many servers'],
    [
      'drain: { pace: 2001 }',
      '4:16: drain.pace: must be 2000 or less: HAProxy is asked to close no more in a second',
    ],
    ['pool: { name: app, slots: 1001 }', '4:27: pool.slots: must be 1000 or less: no pool has so many nodes'],
    ['drain: { keep: 1e300 }', '4:16: drain.keep: must be 10000 or less: no backend has so many servers'],
  ]);
});

describe('a hint is followed by no other error', () => {
  refuses([
    ['log: { level: 5 }', '4:15: log.level: expected error, warn, info or debug'],
    ['listen: { metrics: 7003 }', '4:20: listen.metrics: expected a text, got a whole number'],
    ['state: 5', '4:8: state: expected a text, got a whole number'],
    ['node: 5', '4:7: node: expected a text, got a whole number, put it in quotes'],
    ['drain: { keep: "2" }', '4:16: drain.keep: expected a number, got a text, take the quotes away'],
    ['drain: { keep: "-1" }', '4:16: drain.keep: expected a number, got a text'],
    ['adopt: yes', '4:8: adopt: expected true or false, got a text, write true'],
    ['adopt: Off', '4:8: adopt: expected true or false, got a text, write false'],
    ['adopt: "true"', '4:8: adopt: expected true or false, got a text, take the quotes away'],
    [
      'app: { stop: { signal: { name: SIGSTOP, pidFile: /a } } }',
      '4:32: app.stop.signal.name: is not the name of a signal that may end a process, write for example SIGTERM',
    ],
    ['---\nnode: a', '4:1: begins a second document, put all of it into one'],
  ]);
});

describe('a text has a limit', () => {
  const long = 'x'.repeat(5_000);
  test.each([
    ['state: /', 'state'],
    ['sessions: [{ http: { url: http://127.0.0.1/', 'url'],
    ['sessions: [{ http: { url: http://127.0.0.1/, regex: (a)', 'regex'],
    ['listen: { metrics: ', 'metrics'],
    ['listen: { health: { address: "h:1", up: { body: ', 'body'],
    ['app: { stop: { systemd: ', 'systemd'],
    ['schedule: [{ do: drain, cron: ', 'cron'],
    ['schedule: [{ do: drain, cron: "0 4 * * 0", timezone: ', 'timezone'],
  ])('%s...', async (begin, key) => {
    const open = (begin.match(/[[{]/g) ?? []).toReversed();
    const end = open.map((char) => (char === '[' ? ']' : '}')).join('');
    const [problem = ''] = await problemsOf(`${MINIMAL}${begin}${long}${end}\n`);
    expect(problem).toContain(`${key}: `);
    expect(problem).toMatch(/is longer than 4095 characters$/);
  });

  test('and an argument of a program that of the kernel', async () => {
    const text = (length: number): string =>
      `${MINIMAL}app: { stop: { command: [sh, ${'x'.repeat(length)}] } }\n`;
    expect(await problemsOf(text(131_071))).toEqual([]);
    expect(await problemsOf(text(131_072))).toEqual([
      '4:30: app.stop.command[1]: is longer than 131071 bytes',
    ]);
  });
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
      'app: { stop: { command: [sleep, 0.5] } }',
      '4:33: app.stop.command[1]: expected a text, got a number, put it in quotes',
    ],
    [
      'app: { probe: { command: ["a\\0b"] } }',
      '4:27: app.probe.command[0]: a NUL character is legal nowhere',
    ],
  ]);
});

describe('a unit of systemd is a service, and a container has a name', () => {
  const unit = (written: string): string => `app: { stop: { systemd: "${written}" } }`;
  const wrong =
    '4:25: app.stop.systemd: is not the name of a service of systemd, write for example tomcat10.service';
  refuses([
    [unit('graphical.target'), wrong],
    [unit('-x'), wrong],
    [unit('a b'), wrong],
    [unit('../a'), wrong],
    [unit('app@'), wrong],
    [unit(''), wrong],
    [
      'app: { stop: { docker: { container: a/b } } }',
      '4:37: app.stop.docker.container: is not the name of a container: letters, digits, underscores, dots and dashes',
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
      '4:32: app.stop.signal.name: is not the name of a signal that may end a process, write for example SIGTERM',
    ],
    [
      'app: { stop: { signal: { name: 15, pidFile: /a } } }',
      '4:32: app.stop.signal.name: expected a text, got a whole number',
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

describe('a source that asks HAProxy or the kernel', () => {
  const table = (written: string): string => `sessions: [{ stickTable: { ${written} } }]`;
  const name = 'is not the name of a stick table, such as app or peers/app';
  refuses([
    [table('table: "a b", server: a/b'), `4:35: sessions[0].stickTable.table: ${name}`],
    [table('table: "a;b", server: a/b'), `4:35: sessions[0].stickTable.table: ${name}`],
    [table('server: a/b'), '4:26: sessions[0].stickTable.table: is required'],
    ['sessions: [{ tcp: 0 }]', '4:19: sessions[0].tcp: must be 1 or more'],
    ['sessions: [{ tcp: 65536 }]', '4:19: sessions[0].tcp: must be 65535 or less'],
    ['sessions: [{ idle: 30 }]', '4:20: sessions[0].idle: has no unit, write for example 30s'],
    ['sessions: [{ idle: 0s }]', '4:20: sessions[0].idle: "0s" must be longer than nothing'],
  ]);
});
