import { describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { createClient } from '../../agent/control/client.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ask, never, open, path, post, service, useControl } from '../support/control-socket.ts';

describe('The stream of events', () => {
  test('begins with the status and goes on with every change and result', async () => {
    await open();
    const aborter = new AbortController();
    const events = createClient(path, realClock).events(aborter.signal);
    expect(await events.next()).toMatchObject({ value: { event: 'status', data: { phase: 'serving' } } });
    await post({ operation: 'drain' });
    expect(await events.next()).toMatchObject({ value: { event: 'status', data: { phase: 'draining' } } });
    service.finish('done', { phase: 'drained' });
    expect(await events.next()).toMatchObject({ value: { event: 'status', data: { phase: 'drained' } } });
    expect(await events.next()).toMatchObject({ value: { event: 'result', data: { code: 'done' } } });
    const rest = events.next();
    aborter.abort(new LastcallError('interrupted', 'enough'));
    await expect(rest).rejects.toMatchObject({ code: 'interrupted' });
  });

  test('stops listening to the engine when the reader leaves', async () => {
    // With this clock no keep-alive is written to the reader, by which its end would be noticed.
    await open({}, new ManualClock());
    const events = createClient(path, realClock).events(never);
    await events.next();
    expect(service.listeners).toBe(1);
    const [socket] = await Promise.all([serverSees('close'), events.return()]);
    expect(socket).toBe('close');
    expect(service.listeners).toBe(0);
  });

  test('says that it is alive when there is nothing to say', async () => {
    const clock = new ManualClock();
    await open({}, clock);
    const socket = await listener();
    const silence = once(socket, 'data');
    clock.advance(15_000);
    expect(String(await silence)).toContain(': still here\n\n');
    const again = once(socket, 'data');
    clock.advance(15_000);
    expect(String(await again)).toContain(': still here\n\n');
    socket.destroy();
  });

  test('drops a reader that does not read, instead of keeping everything for it', async () => {
    await open();
    const slow = await listener();
    slow.pause();
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    let shown = 0;
    while (service.listeners > 0 && shown < 100_000) {
      for (let burst = 0; burst < 100; burst++) service.show('draining', shown++);
      await new Promise(setImmediate);
    }
    expect(service.listeners).toBe(0);
    const grown = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before;
    expect(grown).toBeLessThan(100 * 1024 * 1024);
    slow.destroy();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('is read by 64 at most: the one who has read for longest is sent away, and may come again', async () => {
    await open();
    const first = await listener();
    const sent: string[] = [];
    first.on('data', (chunk: Buffer) => void sent.push(chunk.toString()));
    const ended = once(first, 'end');
    const others: Socket[] = [];
    for (let count = 0; count < 64; count += 1) others.push(await listener());
    // Between the end of a stream and its close nothing is written to it.
    service.show('draining', 1);
    await ended;
    expect(sent.join('')).not.toContain('draining');
    expect(service.listeners).toBe(64);
    for (const socket of [first, ...others]) socket.destroy();
    await serverSees('close');
  });

  test('ends when the sidecar closes', async () => {
    const opened = await open();
    const events = createClient(path, realClock).events(never);
    await events.next();
    useControl(null);
    await Promise.all([opened.close(), expect(events.next()).resolves.toMatchObject({ done: true })]);
  });

  /** A raw reader of the stream that has got the first event. */
  async function listener(): Promise<Socket> {
    const socket = connect(path);
    socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n');
    let text = '';
    while (!text.includes('event: status')) text += String((await once(socket, 'data'))[0]);
    return socket;
  }

  /** The engine's listener is taken off in the same turn in which the server sees the reader leave. */
  async function serverSees(what: 'close'): Promise<'close'> {
    while (service.listeners > 0) await new Promise(setImmediate);
    return what;
  }
});
