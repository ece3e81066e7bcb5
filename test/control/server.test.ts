import { describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { lstat, mkdir, mkdtemp, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { openControl } from '../../agent/control/server.ts';
import { realClock } from '../../agent/system/clock.ts';
import { ready } from '../support/scripted-service.ts';
import {
  ask,
  control,
  dir,
  open,
  path,
  raw,
  service,
  useControl,
  usePath,
} from '../support/control-socket.ts';

describe('The control socket', () => {
  test('has mode 0600 and leaves nothing else in its directory, which it makes with mode 0750', async () => {
    usePath(join(dir.path, 'run', 'app1.sock'));
    await open();
    const found = await lstat(path);
    expect(found.isSocket()).toBe(true);
    expect((found.mode & 0o777).toString(8)).toBe('600');
    expect(((await lstat(join(dir.path, 'run'))).mode & 0o777).toString(8)).toBe('750');
    expect(await readdir(join(dir.path, 'run'))).toEqual(['app1.sock']);
  });

  test('takes the configured mode and group, by name or by number', async () => {
    const own = process.getgid?.() ?? 0;
    const lines = (await readFile('/etc/group', 'utf8')).split('\n').map((line) => line.split(':'));
    const group = lines.find((fields) => fields[2] === String(own))?.[0] ?? String(own);
    await open({ mode: 0o660, group });
    const found = await lstat(path);
    expect((found.mode & 0o777).toString(8)).toBe('660');
    expect(found.gid).toBe(own);
    await control?.close();
    await open({ group: String(own) });
  });

  test('refuses a group that does not exist, a path that is too long, and a path that is no socket', async () => {
    await expect(open({ group: 'no-such-group-here' })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('no-such-group-here'),
    });
    const long = join(dir.path, 'x'.repeat(107 - dir.path.length));
    expect(Buffer.byteLength(long)).toBe(108);
    await expect(open({ path: long })).rejects.toMatchObject({ code: 'config' });
    await writeFile(path, 'precious');
    await expect(open()).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('not a socket'),
    });
    expect(await readFile(path, 'utf8')).toBe('precious');
  });

  test('works at a path of exactly 107 bytes', async () => {
    usePath(join(dir.path, 'x'.repeat(107 - dir.path.length - 1)));
    expect(Buffer.byteLength(path)).toBe(107);
    await open();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('does not follow a symbolic link', async () => {
    await writeFile(join(dir.path, 'target'), '');
    await symlink(join(dir.path, 'target'), path);
    await expect(open()).rejects.toMatchObject({ code: 'config' });
  });

  test('says which directory cannot be made', async () => {
    await writeFile(join(dir.path, 'file'), '');
    await expect(open({ path: join(dir.path, 'file', 'app1.sock') })).rejects.toMatchObject({
      code: 'config',
      target: join(dir.path, 'file', 'app1.sock'),
      next: expect.any(String),
    });
  });

  test('is refused while another sidecar answers there, which goes on undisturbed', async () => {
    const first = await open();
    await expect(
      openControl({ path, mode: 0o600, group: null }, { service, clock: realClock, ready }),
    ).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('another sidecar'),
    });
    useControl(first);
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('replaces the socket of a sidecar that was killed', async () => {
    const dead = createServer();
    const home = await mkdtemp(join(dir.path, 'dead-'));
    dead.listen(join(home, 's'));
    await once(dead, 'listening');
    await rename(join(home, 's'), path);
    dead.close();
    await once(dead, 'close');
    expect((await lstat(path)).isSocket()).toBe(true);
    await open();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('is gone after close, but a successor that stands there by then is left alone', async () => {
    const first = await open();
    await first.close();
    expect(await readdir(dir.path)).toEqual([]);

    const old = await openControl({ path, mode: 0o600, group: null }, { service, clock: realClock, ready });
    await mkdir(join(dir.path, 'away'));
    await rename(path, join(dir.path, 'away', 'old.sock'));
    await open();
    await old.close();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });
});

test('The control socket has 256 connections at most: the oldest gives way, and the newest is answered', async () => {
  await open();
  const sockets: Socket[] = [];
  for (let count = 0; count < 256; count += 1) {
    const socket = connect(path);
    await once(socket, 'connect');
    sockets.push(socket);
  }
  const closed = once(sockets[0] as Socket, 'close');
  expect((await ask('GET', '/v1/status')).status).toBe(200);
  await closed;
  expect(sockets[255]?.destroyed).toBe(false);
  for (const socket of sockets) socket.destroy();
});

test('One request a connection: those that come behind it are not begun, whatever length it has', async () => {
  await open();
  let asked = 0;
  const status = service.status.bind(service);
  service.status = () => {
    asked += 1;
    return status();
  };
  const get = 'GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n';
  const once200 = /^HTTP\/1\.1 200 [^]*connection: close[^]*\}\n$/i;
  // More than 16 KiB of them are hung up on: with or without an answer, or with a reset.
  await Promise.allSettled([raw(get.repeat(4_000))]);
  expect(asked).toBeLessThanOrEqual(1);
  asked = 0;
  expect(await raw(get.repeat(20))).toMatch(once200);
  expect(asked).toBe(1);
  const words = JSON.stringify({ operation: 'drain' });
  const chunked = `Transfer-Encoding: chunked\r\n\r\n5;x=y\r\n${words.slice(0, 5)}\r\n${(words.length - 5).toString(16)}\r\n${words.slice(5)}\r\n0\r\nT: x\r\n\r\n`;
  for (const body of [`Content-Length: ${words.length}\r\n\r\n${words}`, chunked]) {
    const answers = await raw(`POST /v1/operations HTTP/1.1\r\nHost: x\r\n${body}${get.repeat(20)}`);
    expect(answers.match(/^HTTP\/1\.1 \d+/gm)).toEqual(['HTTP/1.1 202']);
  }
  expect(service.requests).toHaveLength(2);
  expect(asked).toBe(1);
});
