import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { type Server, type Socket, createServer } from 'node:net';
import { join } from 'node:path';
import { createClient } from '../../agent/control/client.ts';
import { openControl } from '../../agent/control/server.ts';
import { type Clock, realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ready, createScriptedService } from '../support/scripted-service.ts';
import { type TempDir, makeTempDir } from '../support/tempdir.ts';

const never = new AbortController().signal;
const NOBODY = 65_534;

describe('The client of the control socket', () => {
  let dir: TempDir;
  let path: string;
  let peer: Server | null;
  let sockets: Socket[];

  beforeEach(async () => {
    dir = await makeTempDir();
    path = join(dir.path, 'app1.sock');
    peer = null;
    sockets = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    if (peer !== null) await new Promise((done) => peer?.close(done));
    await dir.remove();
  });

  /** A server at the path that answers every connection with these bytes, or not at all. */
  async function listen(answer: string | null): Promise<void> {
    peer = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.once('data', () => {
        if (answer !== null) socket.end(answer);
      });
    });
    peer.listen(path);
    await once(peer, 'listening');
  }

  const status = (clock: Clock = realClock): Promise<unknown> => createClient(path, clock).status(never);

  test('says that there is no socket, which one, and what to do', async () => {
    await expect(status()).rejects.toMatchObject({
      code: 'agent-unreachable',
      target: path,
      message: `no sidecar answers at ${path}: there is no such socket`,
      next: expect.stringContaining('--socket'),
      elapsedMs: expect.any(Number),
    });
  });

  test('says that nothing listens at a socket that was left behind', async () => {
    const home = await makeTempDir();
    const left = createServer().listen(join(home.path, 's'));
    await once(left, 'listening');
    await rename(join(home.path, 's'), path);
    await new Promise((done) => left.close(done));
    await home.remove();
    await expect(status()).rejects.toMatchObject({
      code: 'agent-unreachable',
      message: expect.stringContaining('no process listens'),
    });
  });

  test('says that permission is denied', async () => {
    const service = createScriptedService();
    const control = await openControl(
      { path, mode: 0o000, group: null },
      { service, clock: realClock, ready },
    );
    const root = process.geteuid?.() === 0;
    try {
      if (root) process.seteuid?.(NOBODY);
      await expect(status()).rejects.toMatchObject({
        code: 'agent-unreachable',
        message: expect.stringContaining('permission denied'),
        next: expect.stringContaining('root'),
      });
    } finally {
      if (root) process.seteuid?.(0);
      await control.close();
    }
  });

  test('gives up on a sidecar that accepts and says nothing', async () => {
    await listen(null);
    const clock = new ManualClock();
    const answer = status(clock);
    await clock.armed();
    clock.advance(5_000);
    await expect(answer).rejects.toMatchObject({
      code: 'agent-unreachable',
      message: expect.stringContaining('no answer in time'),
      elapsedMs: 5_000,
    });
  });

  test('gives up on a body that never ends, counted from its head', async () => {
    await listen(null);
    const clock = new ManualClock();
    let timers = 0;
    const counting: Clock = {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after(ms, run) {
        timers++;
        return clock.after(ms, run);
      },
    };
    const answer = status(counting);
    while (sockets.length === 0) await new Promise(setImmediate);
    clock.advance(3_000);
    sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{');
    while (timers < 2) await new Promise(setImmediate);
    clock.advance(5_000);
    await expect(answer).rejects.toMatchObject({ code: 'agent-unreachable', elapsedMs: 8_000 });
  });

  test.each([
    ['no HTTP', 'HELLO\r\n'],
    ['no JSON', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops'],
    ['half an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{"node":'],
    ['nothing', ''],
  ])('takes %s for an unreachable sidecar', async (_what, answer) => {
    await listen(answer);
    await expect(status()).rejects.toMatchObject({ code: 'agent-unreachable', target: path });
  });

  test('hands on what the sidecar says of a failure', async () => {
    await listen('HTTP/1.1 500 X\r\nContent-Length: 44\r\n\r\n{"code":"state-write","message":"disk full"}');
    await expect(createClient(path, realClock).submit({ operation: 'drain' }, never)).rejects.toMatchObject({
      code: 'state-write',
      message: 'disk full',
    });
  });

  test('notices a stream of events that has fallen silent', async () => {
    await listen(null);
    const clock = new ManualClock();
    const events = createClient(path, clock).events(never);
    const first = events.next();
    await clock.armed();
    while (sockets.length === 0) await new Promise(setImmediate);
    sockets[0]?.write(
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: status\ndata: {"node":"app1"}\n\n',
    );
    expect(await first).toEqual({ done: false, value: { event: 'status', data: { node: 'app1' } } });
    const second = events.next();
    clock.advance(45_000);
    await expect(second).rejects.toMatchObject({
      code: 'agent-unreachable',
      message: expect.stringContaining('silent'),
    });
  });

  test('puts events together however they are cut, and refuses one that is no JSON', async () => {
    await listen(null);
    const events = createClient(path, realClock).events(never);
    const first = events.next();
    while (sockets.length === 0) await new Promise(setImmediate);
    const [socket] = sockets;
    socket?.write('HTTP/1.1 200 OK\r\n\r\n: hello\n\nevent: sta');
    await new Promise(setImmediate);
    socket?.write('tus\ndata: {"node":"ä"}\n');
    await new Promise(setImmediate);
    socket?.write('\nevent: result\ndata: oops\n\n');
    expect(await first).toMatchObject({ value: { data: { node: 'ä' } } });
    await expect(events.next()).rejects.toMatchObject({ code: 'agent-unreachable' });
  });

  test('ends with the reason of its signal', async () => {
    await listen(null);
    const aborter = new AbortController();
    const answer = createClient(path, realClock).status(aborter.signal);
    aborter.abort(new LastcallError('interrupted', 'enough'));
    await expect(answer).rejects.toMatchObject({ code: 'interrupted', message: 'enough' });
  });

  test('refuses a path that is too long for a socket before it asks', () => {
    expect(() => createClient(`/${'x'.repeat(107)}`, realClock)).toThrow(
      expect.objectContaining({ code: 'config' }),
    );
  });
});
