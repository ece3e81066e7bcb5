import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { listeningSockets } from '../../agent/system/listening-sockets.ts';
import { hasAddress, isLoopback, isOwnHost, ownAddresses } from '../../agent/system/own-addresses.ts';
import { ownersOf } from '../../agent/system/socket-owners.ts';
import { unitIn } from '../../agent/system/unit-of-process.ts';
import { makeTempDir } from '../support/tempdir.ts';

const { signal } = new AbortController();
const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function listen(host: string): Promise<number> {
  const server = createServer();
  open.push(server.listen(0, host));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('listening sockets are shown with their address, user and process', async () => {
  const ports = { '127.0.0.1': await listen('127.0.0.1'), '0.0.0.0': await listen('0.0.0.0') };
  const sockets = await listeningSockets(signal);
  for (const [host, port] of Object.entries(ports)) {
    const [socket, ...more] = sockets.filter((one) => one.port === port);
    expect(more).toEqual([]);
    expect(socket).toMatchObject({ host, user: process.getuid?.() });
    const { byInode } = await ownersOf(new Set([socket?.inode ?? '']), signal);
    expect([...byInode.values()].flat()).toEqual([expect.objectContaining({ pid: process.pid })]);
  }
});

test('IPv6 addresses are written as HAProxy writes them, and an IPv4 address within IPv6 is that address', async () => {
  const temp = await makeTempDir();
  const tables = { v4: join(temp.path, 'tcp'), v6: join(temp.path, 'tcp6') };
  const head =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  const line = (host: string, state = '0A'): string =>
    `   0: ${host}:1F90 00000000000000000000000000000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0\n`;
  await writeFile(tables.v4, head);
  await writeFile(
    tables.v6,
    head +
      line('00000000000000000000000000000000') +
      line('00000000000000000000000001000000') +
      line('0000000000000000FFFF00000100007F') +
      line('B80D0120000000000000000001000000') +
      line('00000000000000000000000001000000', '01'),
  );
  const hosts = (await listeningSockets(signal, tables)).map(({ host, port }) => `${host} ${port}`);
  expect(hosts).toEqual([':: 8080', '::1 8080', '127.0.0.1 8080', '2001:db8::1 8080']);
  await temp.remove();
});

test('the addresses of this machine are known from others', () => {
  const own = ownAddresses();
  expect(own.has('127.0.0.1')).toBe(true);
  expect(isOwnHost('LOCALHOST', own)).toBe(true);
  expect(isOwnHost('192.0.2.7', own)).toBe(false);
  expect(isLoopback('127.1.2.3')).toBe(true);
  expect(isLoopback('128.0.0.1')).toBe(false);
});

test.each([
  ['/system.slice/tomcat10.service', 'tomcat10.service', 'system'],
  ['/system.slice/system-app.slice/app@1.service/worker', 'app@1.service', 'system'],
  ['/user.slice/user-1000.slice/session-3.scope', 'session-3.scope', 'system'],
  ['/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service', 'shop.service', 'user'],
  ['/system.slice/docker-0123.scope', 'docker-0123.scope', 'system'],
])('the unit of %s is %s', (path, name, manager) => {
  expect(unitIn(path)).toEqual({ name, manager });
});

test.each(['/', '/../..', '/docker/0123', '/kubepods.slice/kubepods-pod1.slice/0123', ''])(
  '%s has no unit',
  (path) => {
    expect(unitIn(path)).toBeNull();
  },
);

test('an address is known to be this machine’s where its interfaces may not be listed, too', async () => {
  for (const own of [ownAddresses(), new Set<string>()]) {
    for (const address of [...ownAddresses()].filter((one) => !one.startsWith('fe80')))
      expect([address, await hasAddress(address, own)]).toEqual([address, true]);
    // RFC 5737 and 3849: no machine has them.
    for (const foreign of ['203.0.113.9', '2001:db8::9', 'app1.test'])
      expect([foreign, await hasAddress(foreign, own)]).toEqual([foreign, false]);
  }
});
