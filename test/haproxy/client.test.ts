import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { parseAddress } from '../../agent/haproxy/address.ts';
import { createClient, type Client } from '../../agent/haproxy/client.ts';
import { showAllRows, showInfo, showServersState } from '../../agent/haproxy/command.ts';
import { answersOf } from '../../agent/haproxy/reply.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { pourOn, startFake, type FakeHaproxy } from '../support/fake-haproxy.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { patience } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { DEFAULTS, withoutSeconds } from './transcripts.ts';

const clientOf = (address: string, clock: Clock = realClock): Client =>
  createClient(address, parseAddress(address, 'config'), { clock });

/** Asks, moves the clock past the deadline as soon as it is set, and gives the error. */
async function overtime(path: string): Promise<Awaited<ReturnType<typeof refusalOf>>> {
  const clock = new ManualClock();
  const refusal = refusalOf(() => clientOf(path, clock).exchange(showInfo(), 2_000, never));
  await clock.armed();
  clock.advance(2_000);
  return refusal;
}

describe('an exchange with a real HAProxy', () => {
  let haproxy: Haproxy;
  let port: number;
  const held: Socket[] = [];
  beforeAll(async () => {
    port = await freePort();
    haproxy = await startHaproxy(`global\n  stats socket ipv4@127.0.0.1:${port} level admin\n${DEFAULTS}`);
  });
  afterEach(() => {
    for (const socket of held.splice(0)) socket.destroy();
  });
  afterAll(() => haproxy.stop());

  test('reads the whole answer over a unix socket and over TCP', async () => {
    for (const address of [`unix:${haproxy.socket}`, haproxy.socket, `tcp://127.0.0.1:${port}`]) {
      const reply = await clientOf(address).exchange(showInfo(), 5_000, never);
      expect(answersOf(reply)[0]).toContain(`\nPid: ${haproxy.pid}\n`);
      expect(reply.target).toBe(address);
    }
  });

  test('ends at its deadline when HAProxy is frozen, and says what to look for', async () => {
    await haproxy.kill('SIGSTOP');
    try {
      const refusal = await overtime(haproxy.socket);
      expect(refusal).toMatchObject({
        code: 'balancer-unreachable',
        target: haproxy.socket,
        elapsedMs: 2_000,
      });
      expect(refusal.message).toContain('no answer within 2000 ms');
      expect(refusal.next).toContain('stats maxconn');
    } finally {
      await haproxy.kill('SIGCONT');
    }
  });

  test('ends at its deadline while others hold all ten connections, and works once one is let go', async () => {
    for (let count = 0; count < 10; count += 1) {
      const socket = connect({ path: haproxy.socket });
      held.push(socket);
      socket.write('prompt\n');
      await once(socket, 'data');
    }
    expect((await overtime(haproxy.socket)).next).toContain('stats maxconn');
    const waiting = clientOf(haproxy.socket).exchange(showInfo(), 30_000, never);
    held.pop()?.destroy();
    expect(answersOf(await waiting)[0]).toContain('Name: HAProxy');
  });

  test('waits where the queue of a unix socket is full, and is answered once there is room', async () => {
    await haproxy.kill('SIGSTOP');
    const asked: Promise<unknown>[] = [];
    try {
      // More than a queue of ten holds.
      for (let one = 0; one < 40; one++)
        asked.push(clientOf(haproxy.socket).exchange(showInfo(), 30_000, patience()));
      const late = await refusalOf(() => clientOf(haproxy.socket).exchange(showInfo(), 200, never));
      expect(late).toMatchObject({
        code: 'balancer-unreachable',
        next: expect.stringContaining('stats maxconn'),
      });
      expect(late.message).toContain('it takes no more connections');
    } finally {
      await haproxy.kill('SIGCONT');
    }
    expect(await Promise.all(asked)).toHaveLength(40);
  });

  test('is answered by TCP where many ask at one moment', async () => {
    await haproxy.kill('SIGSTOP');
    const asked: Promise<unknown>[] = [];
    try {
      const address = `tcp://127.0.0.1:${port}`;
      for (let one = 0; one < 40; one++)
        asked.push(clientOf(address).exchange(showInfo(), 30_000, patience()));
      const late = await refusalOf(() => clientOf(address).exchange(showInfo(), 1_500, never));
      expect(late).toMatchObject({
        code: 'balancer-unreachable',
        next: expect.stringContaining('stats maxconn'),
      });
    } finally {
      await haproxy.kill('SIGCONT');
    }
    expect(await Promise.all(asked)).toHaveLength(40);
  });

  test('ends with the reason as soon as it is aborted', async () => {
    await haproxy.kill('SIGSTOP');
    try {
      const clock = new ManualClock();
      const controller = new AbortController();
      const outcome = expect(
        clientOf(haproxy.socket, clock).exchange(showInfo(), 2_000, controller.signal),
      ).rejects.toThrow('enough');
      await clock.armed();
      controller.abort(new Error('enough'));
      await outcome;
      expect(clock.pending).toBe(0);
    } finally {
      await haproxy.kill('SIGCONT');
    }
  });

  test('does not even begin when it was aborted before, or when no time is left', async () => {
    const gone = AbortSignal.abort(new Error('before'));
    await expect(clientOf('/nowhere').exchange(showInfo(), 2_000, gone)).rejects.toThrow('before');
    const late = await refusalOf(() => clientOf('/nowhere').exchange(showInfo(), 0, never));
    expect(late.message).toContain('no answer within 0 ms');
  });

  test('leaves no timer behind', async () => {
    const clock = new ManualClock();
    await clientOf(haproxy.socket, clock).exchange(showInfo(), 2_000, never);
    expect(clock.pending).toBe(0);
  });
});

describe('a HAProxy with many servers', () => {
  test('outlives a client that gives up in the middle of `show servers state`', async () => {
    const servers = Array.from({ length: 1_000 }, (_none, index) => `  server app${index} 127.0.0.1:1\n`);
    const haproxy = await startHaproxy(`${DEFAULTS}backend many\n${servers.join('')}`);
    try {
      const client = clientOf(haproxy.socket);
      const giveUp = async (): Promise<void> => {
        for (let time = 0; time < 20; time++) {
          const stop = new AbortController();
          const onLine = (): void => stop.abort(new Error('enough'));
          await expect(client.stream(showServersState('many'), onLine, 10_000, stop.signal)).rejects.toThrow(
            'enough',
          );
          await client.stream(showAllRows(), () => undefined, 10_000, never);
        }
      };
      await Promise.all(Array.from({ length: 4 }, giveUp));
      expect(await haproxy.workerPid()).toBe(haproxy.pid);
    } finally {
      await haproxy.stop();
    }
  });
});

describe('an exchange that cannot be', () => {
  test('says that the socket does not exist', async () => {
    const refusal = await refusalOf(() => clientOf('/nowhere/admin.sock').exchange(showInfo(), 2_000, never));
    expect(refusal).toMatchObject({ code: 'balancer-unreachable', target: '/nowhere/admin.sock' });
    expect(refusal.message).toContain('does not exist');
    expect(refusal.next).toContain('stats socket');
    expect(refusal.elapsedMs).toBeGreaterThanOrEqual(0);
  });

  test('says that nothing listens, on a socket file left behind as on a port', async () => {
    const haproxy = await startHaproxy(DEFAULTS);
    await haproxy.kill('SIGKILL');
    const addresses = [`tcp://127.0.0.1:${await freePort()}`, `unix:${haproxy.socket}`];
    try {
      for (const address of addresses) {
        const refusal = await refusalOf(async () => {
          // The kernel closes the dead process's socket a moment after the signal.
          for (;;) await clientOf(address).exchange(showInfo(), 2_000, never);
        });
        expect(refusal.code).toBe('balancer-unreachable');
        expect(refusal.message).toMatch(/no process listens there|ECONNRESET|EPIPE/);
      }
    } finally {
      await haproxy.stop();
    }
  });

  test('says that this user may not use the socket', async () => {
    const fake = await startFake((_line, socket) => socket.end('\n'));
    const root = process.geteuid?.() === 0;
    await chmod(fake.path, 0o000);
    // Root may use any socket: become the user `nobody` for as long as it takes.
    if (root) process.seteuid?.(65_534);
    try {
      const refusal = await refusalOf(() => clientOf(fake.path).exchange(showInfo(), 2_000, never));
      expect(refusal).toMatchObject({ code: 'not-permitted', target: fake.path });
      expect(refusal.next).toContain('group');
    } finally {
      if (root) process.seteuid?.(0);
      await fake.stop();
    }
  });

  test('says that a host has no address', async () => {
    const refusal = await refusalOf(() =>
      clientOf('tcp://nobody.invalid:9').exchange(showInfo(), 30_000, never),
    );
    expect(refusal).toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringMatching(/ENOTFOUND|EAI_AGAIN|no more/),
    });
  });
});

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

  test('ends at its deadline when the connection is taken and nothing is said', async () => {
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

  test('is told from something that is no HAProxy', async () => {
    fake = await startFake((_line, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const reply = await clientOf(fake.path).exchange(showInfo(), 2_000, never);
    expect(await refusalOf(() => answersOf(reply))).toMatchObject({ code: 'balancer-unreachable' });
  });
});

/** The lines of one answer that is streamed. */
async function streamed(path: string, clock: Clock = realClock): Promise<string[]> {
  const lines: string[] = [];
  await clientOf(path, clock).stream(showInfo(), (line) => lines.push(line), 5_000, never);
  return lines;
}

describe('an answer that is read line by line', () => {
  let fake: FakeHaproxy | undefined;
  afterEach(() => fake?.stop());

  test('is the same as a whole one, from a real HAProxy', async () => {
    const haproxy = await startHaproxy(`${DEFAULTS}listen app\n  server app1 127.0.0.1:9\n`);
    try {
      const lines: string[] = [];
      const command = showServersState('app');
      await clientOf(haproxy.socket).stream(command, (line) => lines.push(line), 5_000, never);
      const whole = await clientOf(haproxy.socket).exchange(command, 5_000, never);
      expect(withoutSeconds(`${lines.join('\n')}\n`)).toBe(withoutSeconds(whole.text));
    } finally {
      await haproxy.stop();
    }
  });

  test('may come byte by byte', async () => {
    fake = await startFake((_line, socket) => {
      const bytes = [...Buffer.from('one\ntwo\n\n')];
      const next = (): void => {
        const byte = bytes.shift();
        if (byte === undefined) socket.end();
        else socket.write(Buffer.of(byte), () => setImmediate(next));
      };
      next();
    });
    expect(await streamed(fake.path)).toEqual(['one', 'two', '']);
  });

  test('may be larger than a whole one is allowed to be', async () => {
    const block = `${'k'.repeat(99)}\n`.repeat(1_000);
    fake = await startFake((_line, socket) => {
      let left = 50;
      const more = (): void => {
        left -= 1;
        if (left < 0) socket.end('\n');
        else socket.write(block, more);
      };
      more();
    });
    let count = 0;
    const take = (line: string): void => void (count += line.length === 99 ? 1 : 0);
    await clientOf(fake.path).stream(showInfo(), take, 5_000, never);
    expect(count).toBe(50_000);
  });

  test.each(['', 'one\n', 'one\ntwo', '\n\ntwo'])('says nothing when it was cut: %j', async (text) => {
    fake = await startFake((_line, socket) => socket.end(text));
    const refusal = await refusalOf(() => streamed(fake?.path ?? ''));
    expect(refusal).toMatchObject({ code: 'balancer-unreachable', target: fake.path });
    expect(refusal.message).toContain(`cut after ${text.length} bytes`);
  });

  test('ends with whatever its taker throws, and hangs up', async () => {
    fake = await startFake((_line, socket) => socket.write('one\n'));
    const taker = (): void => {
      throw new Error('seen enough');
    };
    const clock = new ManualClock();
    await expect(clientOf(fake.path, clock).stream(showInfo(), taker, 5_000, never)).rejects.toThrow(
      'seen enough',
    );
    expect(clock.pending).toBe(0);
    await fake.closed(1);
  });

  test('is given up on when a line does not end', async () => {
    fake = await startFake((_line, socket) => pourOn(socket));
    const refusal = await refusalOf(() => streamed(fake?.path ?? '', new ManualClock()));
    expect(refusal).toMatchObject({ message: expect.stringContaining('a line of more than 65536 bytes') });
    await fake.closed(1);
  });

  test('ends at its deadline', async () => {
    fake = await startFake((_line, socket) => socket.write('one\n'));
    const clock = new ManualClock();
    const refusal = refusalOf(() =>
      clientOf(fake?.path ?? '', clock).stream(showInfo(), () => clock.advance(5_000), 5_000, never),
    );
    expect(await refusal).toMatchObject({ code: 'balancer-unreachable', elapsedMs: 5_000 });
    expect((await refusal).message).toContain('4 bytes so far');
  });
});

describe('an answer that is poured', () => {
  let fake: FakeHaproxy | undefined;
  afterEach(() => fake?.stop());
  const streamReply = (
    take: (chunk: Buffer) => boolean,
    clock: Clock = realClock,
    signal = never,
  ): Promise<void> => clientOf(fake?.path ?? '', clock).streamReply(showInfo(), take, 5_000, signal);

  test('comes whole, byte for byte, however large and whatever its lines', async () => {
    const block = Buffer.alloc(1_000_000, 'x\xff\n\0', 'latin1');
    fake = await startFake((_line, socket) => {
      for (let count = 0; count < 5; count += 1) socket.write(block);
      socket.end();
    });
    let [bytes, wrong] = [0, 0];
    await streamReply((chunk) => {
      const at = bytes % 4;
      const wanted = block.subarray(at, at + chunk.length);
      if (!chunk.equals(wanted)) wrong += 1;
      bytes += chunk.length;
      return false;
    });
    expect({ bytes, wrong }).toEqual({ bytes: 5_000_000, wrong: 0 });
  });

  test('is hung up on once its taker has seen enough, which is no error', async () => {
    fake = await startFake((_line, socket) => pourOn(socket));
    let chunks = 0;
    const clock = new ManualClock();
    await streamReply(() => (chunks += 1) === 3, clock);
    expect(chunks).toBe(3);
    expect(clock.pending).toBe(0);
    await fake.closed(1);
  });

  test('ends with what its taker throws, and hangs up', async () => {
    fake = await startFake((_line, socket) => pourOn(socket));
    const taker = (): boolean => {
      throw new Error('no entry');
    };
    await expect(streamReply(taker)).rejects.toThrow('no entry');
    await fake.closed(1);
  });

  test('ends at its deadline, and with its signal', async () => {
    fake = await startFake((_line, socket) => socket.write('one'));
    const clock = new ManualClock();
    const late = await refusalOf(() => streamReply(() => (clock.advance(5_000), false), clock));
    expect(late).toMatchObject({ code: 'balancer-unreachable', elapsedMs: 5_000 });
    const stop = new AbortController();
    const aborted = streamReply(
      () => (stop.abort(new Error('no longer wanted')), false),
      realClock,
      stop.signal,
    );
    await expect(aborted).rejects.toThrow('no longer wanted');
    await fake.closed(2);
  });
});
