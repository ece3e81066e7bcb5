import { describe, expect, test } from '@jest/globals';
import { createReplays, excuseFor, type JudgedRun, replaysOf } from './excuse.ts';

/** HAProxy waits from that time on for so long; looked at each 100 ms. */
const waiting = (fromMs: number, ms: number): JudgedRun['series'] => {
  const looks = Array.from({ length: 400 }, (_none, at) => at * 100);
  const waited = (atMs: number): number => Math.min(Math.max(0, atMs - fromMs), ms);
  return [{ name: 'HAProxy (7)', samples: looks.map((atMs) => ({ atMs, waitedMs: waited(atMs) })) }];
};
const run = (changes: Partial<JudgedRun>): JudgedRun => ({
  fromMs: 0,
  toMs: 20_000,
  series: waiting(0, 0),
  lost: 0,
  failed: 0,
  harms: [],
  isOtherwise: false,
  ...changes,
});
const lost = (unusedMs: number): Pick<JudgedRun, 'lost' | 'harms'> => ({
  lost: 1,
  harms: [{ kind: 'lost', atMs: 15_000, unusedMs }],
});
const failed = (atMs: number): Pick<JudgedRun, 'failed' | 'harms'> => ({
  failed: 1,
  harms: [{ kind: 'failed', atMs, unusedMs: 100 }],
});

describe('A lost session', () => {
  test('is excused where it was old enough to expire, and its time was without a processor', () => {
    expect(excuseFor(run({ ...lost(10_200), series: waiting(5_000, 9_900) }))).toBe(
      'a session was unused for 10200 ms, and HAProxy (7) had no processor for 9900 ms (at least 8000 are an excuse)',
    );
  });

  test.each([
    ['was used shortly before', 9_900, waiting(5_000, 9_900)],
    ['could have been used', 10_200, waiting(5_000, 6_000)],
    ['was unused while everything ran', 10_200, waiting(0, 0)],
    ['was unused after the wait', 10_200, waiting(0, 4_800)],
  ])('that %s is not', (_case, unusedMs, series) => {
    expect(excuseFor(run({ ...lost(unusedMs), series }))).toBeNull();
  });

  test('of which nothing is known is not', () => {
    expect(excuseFor(run({ lost: 1, series: waiting(0, 20_000) }))).toBeNull();
  });
});

describe('A failed request', () => {
  test('is excused by a long wait before it alone', () => {
    expect(excuseFor(run({ ...failed(8_000), series: waiting(3_000, 2_500) }))).toContain('2500 ms');
    expect(excuseFor(run({ ...failed(8_000), series: waiting(3_000, 1_900) }))).toBeNull();
    expect(excuseFor(run({ ...failed(2_000), series: waiting(3_000, 2_500) }))).toBeNull();
  });

  test('excuses no lost session beside it', () => {
    const harms = [...failed(8_000).harms, ...lost(200).harms];
    expect(excuseFor(run({ failed: 1, lost: 1, harms, series: waiting(3_000, 2_500) }))).toBeNull();
  });
});

describe('What went otherwise', () => {
  test('is excused by a wait longer than a sidecar gives HAProxy', () => {
    expect(excuseFor(run({ isOtherwise: true, series: waiting(3_000, 600) }))).toContain('600 ms');
    expect(excuseFor(run({ isOtherwise: true, series: waiting(3_000, 450) }))).toBeNull();
    expect(excuseFor(run({ isOtherwise: true, series: [] }))).toBeNull();
  });

  test('is not excused by it where a deadline passed: a wait has to fill that', () => {
    const long = { isOtherwise: true, toMs: 38_000 };
    expect(excuseFor(run({ ...long, series: waiting(3_000, 20_000) }))).toBeNull();
    expect(excuseFor(run({ ...long, series: waiting(3_000, 33_000) }))).toContain('it took 38000 ms');
  });
});

test('A run that kept every promise has nothing to excuse', () => {
  expect(excuseFor(run({ series: waiting(0, 20_000) }))).toBeNull();
});

test('Of a hundred points three may be played again, of a few one', () => {
  expect([1, 33, 100, 1_800].map(replaysOf)).toEqual([1, 1, 3, 54]);
});

test('A point is played again twice at most, and a campaign ends its replays at its bound', () => {
  const replays = createReplays<string>(100);
  expect(['a', 'a'].map((point) => replays.take(point))).toEqual([null, null]);
  expect(replays.take('a')).toBe('it has been played again 2 times');
  expect(replays.take('b')).toBeNull();
  expect(replays.take('c')).toBe('3 of 100 runs have been played again');
  expect(replays.taken).toBe(3);
});
