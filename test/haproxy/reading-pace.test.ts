import { afterEach, describe, expect, test } from '@jest/globals';
import { createReadingPace } from '../../agent/haproxy/reading-pace.ts';
import { showInfo } from '../../agent/haproxy/command.ts';
import { startFake, type FakeHaproxy } from '../support/fake-haproxy.ts';
import { clientOf } from '../support/haproxy-client.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never } from '../support/outcome.ts';
import { until } from '../support/until.ts';

const BURST = 256 * 1024;

describe('a burst that took 3 ms', () => {
  const after3ms = (timeoutMs = 4_000): { clock: ManualClock; pause: () => number } => {
    const clock = new ManualClock();
    const pace = createReadingPace(clock, timeoutMs);
    return {
      clock,
      pause: () => {
        clock.advance(3);
        const ms = pace.pauseAfter(BURST);
        clock.advance(ms);
        if (ms > 0) pace.resumed();
        return ms;
      },
    };
  };

  test('is followed by a pause twice as long, and the next one is measured from its own begin', () => {
    const { pause } = after3ms();
    expect([pause(), pause()]).toEqual([6, 6]);
  });

  test('has no pause once a quarter of the time for the answer went into pauses', () => {
    const { pause } = after3ms(40);
    expect([pause(), pause(), pause()]).toEqual([6, 4, 0]);
  });
});

test('a small answer is read without a pause, and a burst that took long is followed by a short one', () => {
  const clock = new ManualClock();
  const pace = createReadingPace(clock, 4_000);
  clock.advance(1_000);
  expect(pace.pauseAfter(BURST - 1)).toBe(0);
  expect(pace.pauseAfter(1)).toBe(20);
  clock.advance(25);
  pace.resumed();
  expect(pace.pausedMs()).toBe(25);
});

describe('an answer that is read in bursts', () => {
  let fake: FakeHaproxy | undefined;
  afterEach(() => fake?.stop());
  const BYTES = 8_000_000;

  /** HAProxy that has written it all as soon as it is read, and its reader, whose clock stands still unless it is moved. */
  async function reading(): Promise<{ clock: ManualClock; bytes: () => number; whole: Promise<void> }> {
    fake = await startFake((_line, socket) => socket.end(Buffer.alloc(BYTES)));
    const clock = new ManualClock();
    let bytes = 0;
    const take = (chunk: Buffer): boolean => {
      bytes += chunk.length;
      clock.advance(1);
      return false;
    };
    const pace = createReadingPace(clock, 4_000);
    const whole = clientOf(fake.path, clock).streamReply(showInfo(), take, 60_000, never, pace);
    return { clock, bytes: () => bytes, whole };
  }

  test('is left alone after each of them until the pause is over, and comes whole', async () => {
    const { clock, bytes, whole } = await reading();
    // One timer is the deadline, the other the pause.
    const paused = (): Promise<unknown> => until('a pause', () => clock.pending === 2);
    await paused();
    const first = bytes();
    expect(first).toBeLessThan(3 * BURST);
    await new Promise(setImmediate);
    expect(bytes()).toBe(first);
    let pauses = 0;
    while (bytes() < BYTES) {
      if (clock.pending === 2) {
        pauses += 1;
        clock.advance(20);
      }
      await new Promise(setImmediate);
    }
    clock.advance(20);
    await whole;
    expect(pauses).toBeGreaterThanOrEqual(Math.floor(BYTES / (2 * BURST)));
    expect(clock.pending).toBe(0);
  });

  test('has no pause left over where it is given up in one', async () => {
    fake = await startFake((_line, socket) => socket.end(Buffer.alloc(BYTES)));
    const clock = new ManualClock();
    const stop = new AbortController();
    const pace = createReadingPace(clock, 4_000);
    const take = (): boolean => (clock.advance(1), false);
    const given = clientOf(fake.path, clock).streamReply(showInfo(), take, 60_000, stop.signal, pace);
    await until('a pause', () => clock.pending === 2);
    stop.abort(new Error('no longer wanted'));
    await expect(given).rejects.toThrow('no longer wanted');
    expect(clock.pending).toBe(0);
    await fake.closed(1);
  });
});
