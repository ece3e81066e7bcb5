import { describe, expect, test } from '@jest/globals';
import { resample, createSessionHistory } from '../../agent/engine/session-history.ts';

const MOST = 60;

describe('The curve that is kept', () => {
  test('is bounded over a day of samples, spans all of it, and ends with the newest', () => {
    const history = createSessionHistory(MOST);
    const day = 24 * 60 * 60_000;
    for (let at = 0; at <= day; at += 1_000) {
      history.add({ at, count: day - at });
      expect(history.samples.length).toBeLessThanOrEqual(MOST);
    }
    expect(history.samples[0]?.at).toBe(0);
    expect(history.samples.at(-1)).toEqual({ at: day, count: 0 });
    const gaps = history.samples.slice(1).map(({ at }, index) => at - (history.samples[index]?.at ?? 0));
    // Thinned evenly: no stretch of the day is kept much finer than another one.
    expect(Math.max(...gaps)).toBeLessThan(day / (MOST / 4));
  });

  test('keeps the newest of what comes too fast', () => {
    const history = createSessionHistory(MOST);
    for (let at = 0; at < 200; at += 10) history.add({ at, count: at });
    expect(history.samples.length).toBeLessThan(4);
    expect(history.samples.at(-1)).toEqual({ at: 190, count: 190 });
  });

  test('forgets when it is cleared', () => {
    const history = createSessionHistory(MOST);
    for (let at = 0; at < 1_000_000; at += 1_000) history.add({ at, count: 1 });
    history.clear();
    expect(history.samples).toEqual([]);
    for (const at of [0, 300, 600]) history.add({ at, count: 1 });
    expect(history.samples).toHaveLength(3);
  });
});

describe('The course', () => {
  test('is evenly spaced in time, from the first sample to now', () => {
    const samples = [0, 1, 2, 3, 50, 100].map((at) => ({ at, count: at }));
    expect(resample(samples, 100, 5)).toEqual([0, 3, 50, 50, 100]);
    expect(resample(samples, 200, 3)).toEqual([0, 100, 100]);
  });

  test('leaves a gap where the number was unknown', () => {
    const samples = [4, null, 2, 1].map((count, at) => ({ at, count }));
    expect(resample(samples, 3, 4)).toEqual([4, null, 2, 1]);
  });

  test('of nothing is nothing', () => {
    expect(resample([], 100, 5)).toEqual([]);
  });
});
