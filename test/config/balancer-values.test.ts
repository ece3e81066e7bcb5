import { describe, expect, test } from '@jest/globals';
import { configOf, problemsOf, refuses } from './support.ts';

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

  test('may have a master CLI, and is reached by tls:// with files in PEM', async () => {
    const tls = 'tls: { ca: /etc/l/ca.pem, cert: /etc/l/node.pem, key: /etc/l/node.key }';
    const text = `balancers:\n  - haproxy: tls://lb:9999\n    master: unix:/m.sock\n    servers: [app/app1]\n    ${tls}\n`;
    expect((await configOf(text)).balancers).toMatchObject([
      {
        address: 'tls://lb:9999',
        master: 'unix:/m.sock',
        tls: { ca: '/etc/l/ca.pem', cert: '/etc/l/node.pem', key: '/etc/l/node.key' },
      },
    ]);
    expect(await problemsOf(text.replace(`    ${tls}\n`, ''))).toEqual([
      '2:14: balancers[0].haproxy: needs tls: { ca, cert, key }',
    ]);
    expect(await problemsOf(text.replace('tls://lb', 'tcp://lb'))).toEqual([
      '5:10: balancers[0].tls: goes with tls://host:port only',
    ]);
    expect(await problemsOf(text.replace('unix:/m.sock', 'tls://lb:1'))).toEqual([
      '3:13: balancers[0].master: is not an address, write unix:/path, /path or tcp://host:port',
    ]);
    expect(await problemsOf(text.replace('/etc/l/node.key', 'node.key'))).toEqual([
      expect.stringMatching(/^5:\d+: balancers\[0\]\.tls\.key: must be an absolute path$/),
    ]);
  });

  test.each(['tls://10.0.0.1', 'http://a:1', 'tcp://a', 'tcp://:1', 'admin.sock', 'ipv4@a:1', ''])(
    'is not reached by %j',
    async (address) => {
      expect(await problemsOf(balancer(address))).toEqual([
        '2:14: balancers[0].haproxy: is not an address, write unix:/path, /path, tcp://host:port or tls://host:port',
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
    `a/${'b'.repeat(14_999)}`,
  ])('has no server %j', async (server) => {
    expect(await problemsOf(balancer('/a', server))).toEqual([
      '3:15: balancers[0].servers[0]: is not the name of a server, write backend/server with letters, digits and _ . : -, at most 15000 characters together',
    ]);
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
