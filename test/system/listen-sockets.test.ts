import { afterEach, describe, expect, test } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { createListenSockets, type ListenSockets } from '../../agent/system/listen-sockets.ts';
import { freePort } from '../support/ports.ts';

const HOST = '127.0.0.1';
let sockets: ListenSockets;
afterEach(() => sockets.close('all'));

const says = (words: string) => (socket: Socket) => void socket.end(words);
const asked = (port: number): Promise<string> => text(connect(port, HOST));

describe('An address that is listened on', () => {
  test('stays open while its server changes: who comes in between waits', async () => {
    sockets = createListenSockets();
    const address = { host: HOST, port: await freePort() };
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

  test('is closed when nobody has taken it, with who waited there; the others stay', async () => {
    sockets = createListenSockets();
    const [left, kept] = [
      { host: HOST, port: await freePort() },
      { host: HOST, port: await freePort() },
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
    sockets = createListenSockets();
    const other = createListenSockets();
    const address = { host: HOST, port: await freePort() };
    await other.open(address);
    await expect(sockets.open(address)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await other.close('all');
    expect(await sockets.open(address)).toBe(address.port);
  });
});
