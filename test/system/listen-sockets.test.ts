import { afterEach, describe, expect, test } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import {
  busyPortRetryMs,
  createListenSockets,
  type ListenSockets,
} from '../../agent/system/listen-sockets.ts';
import { realClock } from '../../agent/system/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { freePort } from '../support/ports.ts';

const HOST = '127.0.0.1';
let sockets: ListenSockets;
afterEach(() => sockets.close('all'));

const says = (words: string) => (socket: Socket) => void socket.end(words);
const asked = (port: number): Promise<string> => text(connect(port, HOST));

describe('An address that is listened on', () => {
  test('stays open while its server changes: a caller that comes in between waits', async () => {
    sockets = createListenSockets(realClock);
    const address = { host: HOST, port: await freePort(), key: 'listen.health' };
    expect(await sockets.open(address)).toBe(address.port);
    const giveUp = sockets.take(address, says('first'));
    expect(await asked(address.port)).toBe('first');
    giveUp();
    const socket = connect(address.port, HOST);
    await once(socket, 'connect');
    const answer = text(socket);
    expect(await sockets.open(address)).toBe(address.port);
    sockets.take(address, says('second'));
    expect(await answer).toBe('second');
    // The one before has nothing to give up any more.
    giveUp();
    expect(await asked(address.port)).toBe('second');
  });

  test('is closed when no server has taken it, with the connections that waited there; the others stay', async () => {
    sockets = createListenSockets(realClock);
    const [left, kept] = [
      { host: HOST, port: await freePort(), key: 'listen.health' },
      { host: HOST, port: await freePort(), key: 'listen.health' },
    ];
    await sockets.open(left);
    await sockets.open(kept);
    sockets.take(kept, says('kept'));
    const socket = connect(left.port, HOST);
    await once(socket, 'connect');
    const gone = once(socket, 'close');
    socket.resume().on('error', () => undefined);
    await sockets.close('untaken');
    await gone;
    await expect(asked(left.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await asked(kept.port)).toBe('kept');
  });

  test('that is another’s is an error, and may be tried again', async () => {
    sockets = createListenSockets(realClock);
    const other = createListenSockets(realClock);
    const address = { host: HOST, port: await freePort(), key: 'listen.health' };
    await other.open(address);
    await expect(sockets.open(address)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining(`${HOST}:${address.port} for listen.health`),
    });
    await other.close('all');
    expect(await sockets.open(address)).toBe(address.port);
  });

  test('that its owner is about to give up is waited for', async () => {
    const clock = new ManualClock();
    sockets = createListenSockets(clock);
    const other = createListenSockets(realClock);
    const address = { host: HOST, port: await freePort(), key: 'listen.health' };
    await other.open(address);
    const opened = sockets.open(address);
    await clock.armed();
    await other.close('all');
    clock.advance(50);
    expect(await opened).toBe(address.port);
  });

  test('is tried for less where the process was slow to begin, and for half a second at least', () => {
    expect([0, 400, 5_000].map(busyPortRetryMs)).toEqual([1_500, 1_100, 500]);
  });

  test('of no interface of this machine is refused for good, and at once', async () => {
    sockets = createListenSockets(new ManualClock());
    const place = { host: '192.0.2.1', port: 1, key: 'listen.health' };
    await expect(sockets.open(place)).rejects.toMatchObject({ code: 'config' });
  });

  test('is no longer waited for when all are closed', async () => {
    const clock = new ManualClock();
    sockets = createListenSockets(clock);
    const other = createListenSockets(realClock);
    const address = { host: HOST, port: await freePort(), key: 'listen.health' };
    await other.open(address);
    const opened = sockets.open(address);
    await clock.armed();
    await sockets.close('all');
    await expect(opened).rejects.toMatchObject({ code: 'interrupted' });
    await other.close('all');
  });
});
