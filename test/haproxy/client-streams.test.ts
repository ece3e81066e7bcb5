import { afterEach, describe, expect, test } from '@jest/globals';
import { showInfo, showServersState } from '../../agent/haproxy/command.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { pourOn, startFake, type FakeHaproxy } from '../support/fake-haproxy.ts';
import { startHaproxy } from '../support/haproxy.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { DEFAULTS, withoutSeconds } from './transcripts.ts';
import { clientOf } from '../support/haproxy-client.ts';

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
