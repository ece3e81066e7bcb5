import { beforeEach, describe, expect, test } from '@jest/globals';
import { createPollerAcks, type PollerAcks } from '../../agent/balancers/poller-acks.ts';
import type { Clock } from '../../agent/system/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never } from '../support/outcome.ts';

let clock: ManualClock;
let acks: PollerAcks;
beforeEach(() => {
  clock = new ManualClock();
  acks = createPollerAcks(clock);
});

const poll = (poller: string, carriesState = true): void => acks.record(poller, { carriesState, mark: null });
/** Polls of one poller, so many milliseconds apart; the clock stands at the last one. */
function polls(poller: string, count: number, everyMs: number, carriesState = true): void {
  for (let n = 0; n < count; n++) {
    if (n > 0) clock.advance(everyMs);
    poll(poller, carriesState);
  }
}
const lacking = (): readonly string[] => acks.lacking().map(({ poller }) => poller);

describe('A poller is waited for', () => {
  test('once it has polled twice, and not after its first poll', () => {
    acks.reset();
    poll('lb1', false);
    expect([acks.hasSteadyPollers(), lacking()]).toEqual([false, []]);
    clock.advance(2_000);
    poll('lb1', false);
    expect([acks.hasSteadyPollers(), lacking()]).toEqual([true, ['lb1']]);
  });

  test('until three of its own intervals have passed in silence, whatever the intervals of the others', () => {
    polls('slow', 2, 60_000);
    clock.advance(2_000);
    polls('quick', 2, 2_000);
    acks.reset();
    clock.advance(6_000);
    expect(lacking()).toEqual(['slow', 'quick']);
    clock.advance(1);
    expect(lacking()).toEqual(['slow']);
    clock.advance(180_000 - 2_000 - 2_000 - 6_001);
    expect(lacking()).toEqual(['slow']);
    clock.advance(1);
    expect(lacking()).toEqual([]);
  });

  test('at its longer interval at once, and at a shorter one only after some polls', () => {
    polls('lb1', 2, 2_000);
    clock.advance(5_000);
    poll('lb1');
    clock.advance(15_000);
    expect(acks.hasSteadyPollers()).toBe(true);
    poll('lb1');
    // fastinter: three quick polls, then silence of four seconds that the usual interval explains.
    polls('lb1', 4, 100);
    clock.advance(4_000);
    expect(acks.hasSteadyPollers()).toBe(true);
  });

  test('for three seconds at least: a busy machine is late by as much', () => {
    polls('lb1', 2, 25);
    clock.advance(3_000);
    expect(acks.hasSteadyPollers()).toBe(true);
    clock.advance(1);
    expect(acks.hasSteadyPollers()).toBe(false);
  });

  test('for no longer than five minutes, however rarely it polls', () => {
    polls('lb1', 2, 4 * 60_000);
    clock.advance(5 * 60_000);
    expect(acks.hasSteadyPollers()).toBe(true);
    clock.advance(1);
    expect(acks.hasSteadyPollers()).toBe(false);
  });
});

describe('A state counts as acknowledged', () => {
  test('when each steady poller has got it twice since', () => {
    polls('lb1', 2, 2_000);
    polls('lb2', 2, 500);
    acks.reset();
    expect(acks.allAcked()).toBe(false);
    polls('lb1', 2, 100);
    expect([acks.allAcked(), lacking()]).toEqual([false, ['lb2']]);
    polls('lb2', 2, 100);
    expect(acks.allAcked()).toBe(true);
  });

  test('never while no poller is steady, and at the poll that makes one steady', () => {
    acks.reset();
    expect(acks.allAcked()).toBe(false);
    poll('lb1');
    expect(acks.allAcked()).toBe(false);
    clock.advance(2_000);
    poll('lb1');
    expect(acks.allAcked()).toBe(true);
  });

  test('not by one that came back after a pause: another process may poll from there, which got no answer yet', () => {
    polls('lb1', 2, 2_000, false);
    acks.reset();
    poll('lb1');
    clock.advance(6_001);
    poll('lb1');
    expect([acks.hasSteadyPollers(), acks.allAcked()]).toEqual([false, false]);
    clock.advance(2_000);
    poll('lb1');
    expect(acks.allAcked()).toBe(true);
  });

  test('without one that ceased to be steady, and its silence ends the wait', async () => {
    polls('gone', 2, 1_000);
    polls('slow', 2, 60_000);
    polls('gone', 2, 1_000);
    acks.reset();
    polls('slow', 2, 500);
    let done = false;
    const waiting = acks.waitUntil(() => acks.allAcked(), never).then(() => (done = true));
    await clock.armed();
    clock.advance(2_500);
    await Promise.resolve();
    expect([done, lacking()]).toEqual([false, ['gone']]);
    clock.advance(1_000_000);
    await waiting;
    expect(clock.pending).toBe(0);
  });

  test('is forgotten of one that came back after a pause, so it has to get the state as often as a new one', () => {
    acks.reset(3);
    polls('lb1', 2, 2_000);
    clock.advance(60_000);
    polls('lb1', 2, 2_000);
    expect([acks.isAcked('lb1'), acks.allAcked()]).toEqual([false, false]);
    clock.advance(2_000);
    poll('lb1');
    expect(acks.allAcked()).toBe(true);
  });

  test('is not undone by a caller who comes once', () => {
    polls('lb1', 2, 2_000);
    poll('visitor', false);
    acks.reset();
    poll('another', false);
    polls('lb1', 2, 2_000);
    expect(acks.allAcked()).toBe(true);
  });
});

describe('6,000 invented pollers', () => {
  /** Reads the time for a clock and counts it: each poller that is looked at costs at most one. */
  let reads = 0;
  const counting = (inner: Clock): Clock => ({
    now: () => {
      reads += 1;
      return inner.now();
    },
    wall: () => inner.wall(),
    after: (ms, run) => inner.after(ms, run),
  });
  /** One flood between two polls of the steady one, and what it costs. */
  const flood = (pollsEach: number): void => {
    for (let n = 0; n < 6_000; n++) polls(`ghost ${n}`, pollsEach, 0, false);
  };

  test('are not remembered beyond the 64th, push no steady one out, and hold nothing up', () => {
    acks = createPollerAcks(counting(clock));
    polls('lb1', 2, 2_000);
    reads = 0;
    flood(1);
    expect(reads).toBeLessThan(6_000 * 4);
    expect(acks.marked()).toHaveLength(64);
    clock.advance(2_000);
    acks.reset();
    poll('lb1');
    flood(1);
    clock.advance(2_000);
    poll('lb1');
    expect(acks.allAcked()).toBe(true);
  });

  test('that each come back once are waited for as long as they are steady, and no more of them than there is room for', () => {
    polls('lb1', 2, 2_000);
    flood(2);
    acks.reset();
    expect(lacking()).toHaveLength(64);
    polls('lb1', 3, 2_000);
    expect(acks.allAcked()).toBe(true);
  });

  test('leave room for a balancer that begins to poll among them, as soon as they are silent', () => {
    flood(2);
    clock.advance(3_001);
    acks.reset();
    polls('lb2', 2, 2_000);
    expect([acks.allAcked(), lacking()]).toEqual([true, []]);
    expect(acks.marked()).toHaveLength(64);
  });
});
