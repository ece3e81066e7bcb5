import { describe, expect, test } from '@jest/globals';
import { configOf, MINIMAL, refuses } from './support.ts';

describe('the lock of a pool in etcd', () => {
  const read = async (lock: string): Promise<unknown> =>
    (await configOf(`${MINIMAL}pool: { name: app }\nlock: ${lock}\n`)).lock;

  test('is read', async () => {
    expect(await read('{ etcd: { endpoints: ["http://10.0.0.9:2379"] } }')).toEqual({
      kind: 'etcd',
      endpoints: ['http://10.0.0.9:2379'],
      ttlMs: 30_000,
    });
    expect(await read('{ etcd: { endpoints: ["https://a:1", "https://[::1]:2/"], ttl: 5s } }')).toEqual({
      kind: 'etcd',
      endpoints: ['https://a:1', 'https://[::1]:2/'],
      ttlMs: 5_000,
    });
  });

  refuses([
    ['lock: { etcd: {} }', '4:15: lock.etcd.endpoints: is required'],
    ['lock: { etcd: { endpoints: [] } }', '4:28: lock.etcd.endpoints: must not be empty'],
    [
      'lock: { etcd: { endpoints: [a], tls: x } }',
      '4:29: lock.etcd.endpoints[0]: is not a URL',
      '4:33: lock.etcd.tls: unknown key, known here: endpoints, ttl',
    ],
    [
      'lock: { etcd: { endpoints: ["http://a", "http://a"] } }',
      '4:28: lock.etcd.endpoints: names an endpoint twice',
    ],
    [
      'lock: { etcd: { endpoints: ["http://me:pass@a", "http://a/v3", "unix:/a"] } }',
      '4:29: lock.etcd.endpoints[0]: names no user: etcd takes none in its URL, and its users and roles (`etcdctl auth enable`) are not supported',
      '4:49: lock.etcd.endpoints[1]: ends with its port, such as http://10.0.0.9:2379',
      '4:64: lock.etcd.endpoints[2]: must begin with http:// or https://',
    ],
    ...['4s', '5500ms', '11m'].map((ttl): [string, string] => [
      `lock: { etcd: { endpoints: ["http://a"], ttl: ${ttl} } }`,
      '4:47: lock.etcd.ttl: must be whole seconds, from 5s to 10m',
    ]),
    ['lock: { etcd: { endpoints: ["http://a"] } }', '4:7: lock: needs pool: { name }, whose slots it keeps'],
  ]);
});
