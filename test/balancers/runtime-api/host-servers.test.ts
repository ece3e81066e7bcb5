import { expect, test } from '@jest/globals';
import { kinshipOf, type BalancerPlace } from '../../../agent/balancers/runtime-api/related-servers.ts';
import type { ListedServer } from '../../../agent/haproxy/replies/show-all-servers.ts';
import { parseServerName } from '../../../agent/haproxy/names.ts';

/** Which servers are at the hosts of ours, judged by HAProxy's list and by where HAProxy runs. */

const row = (name: string, address: string): ListedServer => ({
  ...parseServerName(name, 'config'),
  isServer: true,
  status: 'UP',
  weight: 1,
  connections: 0,
  active: 1,
  backup: 0,
  tracked: '',
  address,
});

function shown(ours: string, place: BalancerPlace): Record<string, string> {
  const rows = [
    row('app/app1', ours),
    row('app/app2', '10.0.0.6:8080'),
    row('ws/ws1', '10.0.0.5:8081'),
    row('ws/mapped', '[::ffff:10.0.0.5]:8082'),
    row('admin/app1', '10.1.0.5:8080'),
    row('local/one', '127.0.0.1:8083'),
    row('local/none', ''),
  ];
  const listed = new Map([['app/app1', parseServerName('app/app1', 'config')]]);
  const { onOurHost } = kinshipOf(rows, listed, 'admin', {}, place);
  return Object.fromEntries(onOurHost.map(({ name, servedAt }) => [name, servedAt]));
}

const AT_HOST = { 'ws/ws1': 'port 8081', 'ws/mapped': 'port 8082' };
const OWN = new Set(['10.0.0.5', '10.1.0.5']);

test('a HAProxy elsewhere: those at the host of ours, whatever else this machine’s addresses are', () => {
  expect(shown('10.0.0.5:8080', { isHere: false, own: OWN })).toEqual(AT_HOST);
});

test('a HAProxy elsewhere whose own loopback leads to ours: none, since it may lead anywhere', () => {
  expect(shown('127.0.0.1:8080', { isHere: false, own: OWN })).toEqual({});
});

test('a HAProxy of this machine: those at its other addresses, too', () => {
  expect(shown('10.0.0.5:8080', { isHere: true, own: OWN })).toEqual({
    ...AT_HOST,
    'admin/app1': '10.1.0.5:8080',
    'local/one': '127.0.0.1:8083',
  });
});
