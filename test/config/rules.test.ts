import { describe, expect, test } from '@jest/globals';
import { MINIMAL, load, problemsOf, refuses } from './support.ts';

const LISTEN = 'listen: { agentCheck: { address: 0.0.0.0:7001 } }\n';

const SESSIONS = 'sessions: [{ http: { url: "http://a/" } }]\n';

test('a server is listed once at a balancer, but may be one at several', async () => {
  const text =
    'balancers:\n  - haproxy: /a\n    servers: [b/s, b/t, b/s]\n  - haproxy: /b\n    servers: [b/s]\n';
  expect(await problemsOf(text)).toEqual(['3:25: balancers[0].servers[2]: b/s is listed twice']);
});

test('a balancer is listed once, however its address is written', async () => {
  const text = 'balancers:\n  - haproxy: /a\n    servers: [b/s]\n  - haproxy: unix:/a\n    servers: [b/t]\n';
  expect(await problemsOf(text)).toEqual([
    '4:14: balancers[1].haproxy: is balancers[0] again, put all its servers there',
  ]);
});

test('a server is not listed and left out on purpose at once', async () => {
  expect(await problemsOf(`${MINIMAL}ignoreServers: [b/s, app/app1]\n`)).toEqual([
    '4:22: ignoreServers[1]: app/app1 is listed in servers',
  ]);
  expect(await problemsOf(`${MINIMAL}ignoreServers: [b/s, b]\n`)).toHaveLength(1);
});

describe('durations with which nothing could go well', () => {
  const probe = (times: string): string => `app: { probe: { tcp: 1, ${times} } }`;
  refuses([
    [
      'drain: { timeout: 1s, quiet: 5s }',
      '4:30: drain.quiet: must be shorter than drain.timeout (1s): every drain would end 124',
    ],
    [
      'drain: { timeout: 5s, quiet: 5s }',
      '4:30: drain.quiet: must be shorter than drain.timeout (5s): every drain would end 124',
    ],
    [
      'drain: { timeout: 1s }',
      '4:19: drain.timeout: must be longer than drain.quiet (1s): every drain would end 124',
    ],
    [
      probe('every: 1ms, timeout: 500h'),
      '4:32: app.probe.every: must be 100ms or more: the probe would be load of its own',
      '4:46: app.probe.timeout: must be 1m or less: a hung app would pass for healthy so long',
    ],
    [probe('every: 500h'), '4:32: app.probe.every: must be 10m or less: its health would be history'],
  ]);

  test.each(['drain: { timeout: 1s, quiet: 0s }', 'drain: { timeout: 2s, quiet: 1999ms }'])(
    'are none of these: %s',
    async (added) => expect(await problemsOf(`${MINIMAL}${added}\n`)).toEqual([]),
  );
});

describe('a stop for which no source counts users', () => {
  const STOP = 'app: { stop: { command: [stop], gone: { port: 80 } } }\n';
  const warningsOf = async (added: string): Promise<string> => {
    const loaded = await load(MINIMAL + STOP + added);
    return loaded.ok ? loaded.warnings.join() : 'no configuration';
  };

  test.each(['sessions: [{ tcp: 80 }, { idle: 30m }]\n', 'sticky: true\n'])(
    'is announced: %j',
    async (added) => {
      expect(await warningsOf(added)).toContain('uncounted');
    },
  );

  test.each([SESSIONS, 'sticky: false\n', 'drain: { quiet: 5s }\n'])('is none with %j', async (added) => {
    expect(await warningsOf(added)).toBe('');
  });
});

describe('a DRAIN from outside that is followed', () => {
  const warningsOf = async (text: string, supervised = false): Promise<string> => {
    const loaded = await load(text, { supervised });
    return loaded.ok ? loaded.warnings.join() : 'no configuration';
  };
  const FOLLOW = 'foreignDrain: follow\n';

  test('brings a warning where `adopt` would end it at a start', async () => {
    expect(await warningsOf(`${MINIMAL}${FOLLOW}`)).toBe('');
    expect(await warningsOf(`${MINIMAL}${FOLLOW}adopt: true\n`)).toContain('`adopt: false`');
    expect(await warningsOf(`${MINIMAL}${FOLLOW}`, true)).toContain('the default under `run -- COMMAND`');
    expect(await warningsOf(`${MINIMAL}${FOLLOW}adopt: false\n`, true)).not.toContain('foreignDrain');
  });

  test('brings a warning where no balancer shows one', async () => {
    const polled = 'balancers: [{ agentCheck: { from: [10.0.0.1] } }]\n';
    expect(await warningsOf(`${polled}${SESSIONS}${LISTEN}${FOLLOW}`)).toContain('nothing to follow');
  });
});

describe('a stop that a reload right before it makes refuse', () => {
  const warningsOf = async (address: string, added: string): Promise<string> => {
    const text = `balancers:\n  - haproxy: ${address}\n    servers: [b/s]\n${added}`;
    const loaded = await load(
      `${text}sticky: false\napp: { stop: { command: [stop], gone: { port: 80 } } }\n`,
    );
    return loaded.ok ? loaded.warnings.join() : 'no configuration';
  };
  const LONG = 'reloadGrace: 1h\n';

  test('is announced: old workers elsewhere are in doubt for longer than a drain may take', async () => {
    expect(await warningsOf('tcp://10.0.0.9:99', LONG)).toContain(
      'balancers[0]: reloadGrace (1h) is longer than drain.timeout (30m)',
    );
  });

  test.each([
    ['/a', LONG],
    ['tcp://127.0.0.1:99', LONG],
    ['tcp://10.0.0.9:99', `${LONG}drain: { timeout: 1h }\n`],
    ['tcp://10.0.0.9:99', `${LONG}sessions: [{ tcp: 80 }]\n`],
    ['tcp://10.0.0.9:99', ''],
  ])('is none with %s and %j', async (address, added) => {
    expect(await warningsOf(address, added)).toBe('');
  });
});

describe('agent-check', () => {
  test('as a writer needs a place where it is answered', async () => {
    const text = 'balancers:\n  - haproxy: /a\n    writer: agent-check\n    servers: [b/s]\n';
    expect(await problemsOf(text)).toEqual([
      '3:13: balancers[0].writer: needs listen.agentCheck, where it can ask us',
    ]);
    expect(await problemsOf(text + LISTEN)).toEqual([]);
  });

  describe('as the writer of two HAProxys of one host', () => {
    const SAME =
      'for the agent-checks of both come from one host: write `writer: runtime` for one of them, or list it as agentCheck with an id of its own (its agent-send)';
    const written = (address: string, servers: string, writer = 'agent-check'): string =>
      `  - haproxy: ${address}\n    writer: ${writer}\n    servers: [${servers}]\n`;
    const problems = (...balancers: string[]): Promise<readonly string[]> =>
      problemsOf(`balancers:\n${balancers.join('')}${SESSIONS}${LISTEN}`);

    test.each([
      ['/b', 'b/s'],
      ['tcp://127.0.0.1:99', 'c/t'],
      ['tcp://localhost:99', 'b/s'],
    ])('needs another way for one of them, where each has one server: %s', async (address, server) => {
      expect(await problems(written('/a', 'b/s'), written(address, server))).toEqual([
        `6:13: balancers[1].writer: cannot be distinguished from balancers[0], ${SAME}`,
      ]);
    });

    test('needs another way where both have a server of one name, and several', async () => {
      const first = written('tcp://10.0.0.9:1', 'b/s, b/t');
      expect(await problems(first, written('tcp://10.0.0.9:2', 'b/u, b/t'))).toEqual([
        `7:20: balancers[1].servers[1]: cannot be distinguished from balancers[0], ${SAME}`,
      ]);
    });

    test('needs an id for one that only polls from there', async () => {
      const polls = '  - agentCheck: { from: [127.0.0.1] }\n';
      expect(await problems(written('/a', 'b/s'), polls)).toEqual([
        '5:26: balancers[1].agentCheck.from[0]: cannot be distinguished from balancers[0], give each an id of its own (its agent-send)',
      ]);
    });

    test.each([
      ['another host', [written('tcp://10.0.0.9:1', 'b/s'), written('tcp://10.0.0.8:1', 'b/s')]],
      ['several servers, of other names', [written('/a', 'b/s, b/t'), written('/b', 'b/u, b/v')]],
      ['one server beside several', [written('/a', 'b/s, b/t'), written('/b', 'b/s')]],
      ['the Runtime API as writer of one', [written('/a', 'b/s'), written('/b', 'b/s', 'runtime')]],
      ['an id of one', [written('/a', 'b/s'), '  - agentCheck: { from: [127.0.0.1], id: lb2 }\n']],
    ])('is fine with %s', async (_what, balancers) => expect(await problems(...balancers)).toEqual([]));
  });

  test('as all that a balancer has needs that, and a source that counts', async () => {
    const text = 'balancers:\n  - agentCheck: { from: [10.0.0.1] }\n';
    expect(await problemsOf(text)).toEqual([
      '2:17: balancers[0].agentCheck: gives no count: sessions must name a source in the app',
      '2:17: balancers[0].agentCheck: needs listen.agentCheck, where it can ask us',
    ]);
    expect(await problemsOf(text + SESSIONS)).toEqual([
      '2:17: balancers[0].agentCheck: needs listen.agentCheck, where it can ask us',
    ]);
    expect(await problemsOf(text + LISTEN)).toEqual([
      '2:17: balancers[0].agentCheck: gives no count: sessions must name a source in the app',
    ]);
    expect(await problemsOf(text + SESSIONS + LISTEN)).toEqual([]);
  });

  test('as all that a balancer has is not helped by a source that asks HAProxy', async () => {
    const text = `balancers:\n  - agentCheck: { from: [10.0.0.1] }\n${LISTEN}`;
    expect(await problemsOf(`${text}sessions: [{ tcp: 8080 }]\n`)).toEqual([]);
    expect(await problemsOf(`${text}sessions: [{ idle: 30m }]\n`)).toEqual([
      '2:17: balancers[0].agentCheck: gives no count: sessions must name a source in the app',
      '4:20: sessions[0].idle: asks HAProxy, and no balancer is listed as haproxy',
    ]);
    expect(
      await problemsOf(`${text}sessions: [{ tcp: 8080 }, { stickTable: { table: a, server: a/b } }]\n`),
    ).toEqual(['4:41: sessions[1].stickTable: asks HAProxy, and no balancer is listed as haproxy']);
  });

  test('from one address needs an id for each balancer there', async () => {
    const polls = (more: string): string => `  - agentCheck: { from: [10.0.0.9, 10.0.0.1]${more} }\n`;
    const text = `balancers:\n${polls('')}${polls('')}${SESSIONS}${LISTEN}`;
    expect(await problemsOf(text)).toEqual([
      '3:26: balancers[1].agentCheck.from[0]: cannot be distinguished from balancers[0], give each an id of its own (its agent-send)',
      '3:36: balancers[1].agentCheck.from[1]: cannot be distinguished from balancers[0], give each an id of its own (its agent-send)',
    ]);
    expect(
      await problemsOf(`balancers:\n${polls(', id: a')}${polls(', id: b')}${SESSIONS}${LISTEN}`),
    ).toEqual([]);
  });
});

describe('a drain that expires', () => {
  test('needs a probe: nothing else tells that the application is well', async () => {
    const text = `${MINIMAL}drain: { expires: 2h }\n`;
    expect(await problemsOf(text)).toEqual([
      expect.stringMatching(/^4:19: drain\.expires: needs app\.probe/),
    ]);
    expect(await problemsOf(`${text}app: { probe: { tcp: 127.0.0.1:80 } }\n`)).toEqual([]);
    expect(await problemsOf(`${MINIMAL}drain: { expires: never }\n`)).toEqual([]);
  });
});

test('a status is healthy or a sign-out, not both', async () => {
  const text = `${MINIMAL}app: { probe: { http: { url: "http://a/", healthy: [200, 204], signOut: { status: [404, 204] } } } }\n`;
  expect(await problemsOf(text)).toEqual([
    '4:89: app.probe.http.signOut.status[1]: 204 is a healthy status already',
  ]);
});

test('the control socket of a node with a long name fits', async () => {
  expect(await problemsOf(`${MINIMAL}node: ${'n'.repeat(64)}\n`)).toEqual([]);
});
