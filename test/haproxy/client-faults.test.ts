import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { showInfo, showServersState } from '../../agent/haproxy/command.ts';
import { answersOf } from '../../agent/haproxy/reply.ts';
import { pourOn, startFake, type FakeHaproxy } from '../support/fake-haproxy.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { until } from '../support/until.ts';
import { clientOf, overtime } from '../support/haproxy-client.ts';

describe('an exchange with something that misbehaves', () => {
  let fake: FakeHaproxy | undefined;
  afterEach(() => fake?.stop());

  test('sends its one line and nothing else, and never closes first', async () => {
    let closedFirst: boolean | undefined;
    fake = await startFake((_line, socket) => {
      closedFirst = socket.readableEnded;
      socket.end('Name: HAProxy\n\n');
    });
    await clientOf(fake.path).exchange(showInfo(), 2_000, never);
    expect(fake.received).toEqual(['show info\n']);
    expect(closedFirst).toBe(false);
  });

  test('ends at its deadline when the connection is taken and no answer comes', async () => {
    fake = await startFake(() => undefined);
    expect((await overtime(fake.path)).message).toContain('no answer within 2000 ms');
    await fake.closed(1);
  });

  test('reads `show servers state` to its end after the deadline, on a connection of its own and on an interactive one', async () => {
    const asked = new Set<Socket>();
    fake = await startFake((line, socket) => {
      asked.add(socket);
      if (line !== 'quit') socket.write('1\n# be_id be_name');
    });
    const { path } = fake;
    const clock = new ManualClock();
    const client = clientOf(path, clock);
    const ask = (): Promise<unknown>[] => [
      refusalOf(() => client.exchange(showServersState('app'), 2_000, never)),
      refusalOf(() => client.session((send) => send(showServersState('app')), 2_000, never)),
      refusalOf(() => client.exchange(showInfo(), 2_000, never)),
    ];
    const refusals = ask();
    await until('all three are asked', () => asked.size === 3);
    clock.advance(2_000);
    expect(await Promise.all(refusals)).toMatchObject(
      Array.from({ length: 3 }, () => ({ code: 'balancer-unreachable' })),
    );
    // `show info` is cut.
    await fake.closed(1);
    expect([...asked].filter((socket) => !socket.destroyed).length).toBe(2);
    for (const socket of asked) socket.end('\n');
    await fake.closed(3);
    expect(fake.received.toSorted()).toEqual([
      'prompt\nshow servers state app\nquit\n',
      'show info\n',
      'show servers state app\n',
    ]);
  });

  test('hangs up on what sends without an end in the place of `show servers state`, whatever ended the call', async () => {
    fake = await startFake((_line, socket) => pourOn(socket));
    const client = clientOf(fake.path, new ManualClock());
    const state = showServersState('app');
    await refusalOf(() => client.exchange(state, 2_000, never));
    await refusalOf(() => client.stream(state, () => undefined, 2_000, never));
    await fake.closed(2);
  });

  test('hangs up on what still sends a minute after the deadline', async () => {
    let peer: Socket | undefined;
    fake = await startFake((_line, socket) => void (peer = socket).write('1\n'));
    const clock = new ManualClock();
    const refusal = refusalOf(() =>
      clientOf(fake?.path ?? '', clock).exchange(showServersState('app'), 2_000, never),
    );
    await until('it is asked', () => peer !== undefined);
    clock.advance(2_000);
    await refusal;
    clock.advance(60_000);
    peer?.write('# be_id');
    await fake.closed(1);
  });

  test('asks for no answer that must not be cut while eight are still to come: none is cut, and then it asks again', async () => {
    const asked: Socket[] = [];
    fake = await startFake((_line, socket) => void asked.push(socket));
    const clock = new ManualClock();
    const client = clientOf(fake.path, clock);
    const state = showServersState('app');
    const late = Array.from({ length: 8 }, () => refusalOf(() => client.exchange(state, 2_000, never)));
    await until('all are asked', () => asked.length === 8);
    clock.advance(2_000);
    await Promise.all(late);
    const refusal = await refusalOf(() => client.exchange(state, 2_000, never));
    expect(refusal).toMatchObject({ code: 'balancer-unreachable', target: fake.path });
    expect(refusal.message).toContain('8 earlier answers');
    expect(asked.filter((socket) => !socket.destroyed)).toHaveLength(8);
    for (const socket of asked) socket.end('\n');
    await fake.closed(8);
    const again = client.exchange(state, 2_000, never);
    await until('it is asked', () => asked.length === 9);
    asked[8]?.end('\n');
    expect((await again).text).toBe('\n');
  });

  test('ends at its deadline when the answer stops in the middle without an end', async () => {
    const begun = new ManualClock();
    fake = await startFake((_line, socket) => {
      socket.write('Name: HAProxy\nPid: 1');
      // Every byte of it has been sent when the callback runs; the client reads it before it hears of the time.
      setImmediate(() => setImmediate(() => begun.advance(2_000)));
    });
    const refusal = await refusalOf(() =>
      clientOf(fake?.path ?? '', begun).exchange(showInfo(), 2_000, never),
    );
    expect(refusal.message).toContain('within 2000 ms');
    expect(refusal.code).toBe('balancer-unreachable');
  });

  test('reads an answer that comes byte by byte', async () => {
    const text = 'Name: HAProxy\nPid: 1\nname: ä\n\n';
    fake = await startFake((_line, socket) => {
      const bytes = [...Buffer.from(text)];
      const next = (): void => {
        const byte = bytes.shift();
        if (byte === undefined) socket.end();
        else socket.write(Buffer.of(byte), () => setImmediate(next));
      };
      next();
    });
    expect((await clientOf(fake.path).exchange(showInfo(), 5_000, never)).text).toBe(text);
  });

  test('takes an end without a byte, or in the middle, for no answer', async () => {
    let text = '';
    fake = await startFake((_line, socket) => socket.end(text));
    for (text of ['', 'Name: HAProxy\n', 'Name: HAProxy\nPid: 1\nStopping: 0']) {
      const reply = await clientOf(fake.path).exchange(showInfo(), 2_000, never);
      const refusal = await refusalOf(() => answersOf(reply));
      expect(refusal).toMatchObject({ code: 'balancer-unreachable' });
      expect(refusal.message).toContain(`cut after ${text.length} bytes`);
    }
  });

  test('says that the connection broke', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const refusal = await refusalOf(() =>
        clientOf(`tcp://127.0.0.1:${port}`).exchange(showInfo(), 2_000, never),
      );
      expect(refusal).toMatchObject({
        code: 'balancer-unreachable',
        message: expect.stringContaining('ECONNRESET'),
      });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('gives up on an answer without end, before any deadline', async () => {
    fake = await startFake((_line, socket) => pourOn(socket));
    const refusal = await refusalOf(() =>
      clientOf(fake?.path ?? '', new ManualClock()).exchange(showInfo(), 2_000, never),
    );
    expect(refusal).toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringContaining('4194304 bytes'),
    });
    await fake.closed(1);
  });

  test('is known from something that is no HAProxy', async () => {
    fake = await startFake((_line, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const reply = await clientOf(fake.path).exchange(showInfo(), 2_000, never);
    expect(await refusalOf(() => answersOf(reply))).toMatchObject({ code: 'balancer-unreachable' });
  });
});
