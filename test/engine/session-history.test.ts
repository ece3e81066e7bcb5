import { describe, expect, test } from '@jest/globals';
import { courseOf, createCurve } from '../../agent/engine/session-history.ts';

const MOST = 60;

describe('The curve that is kept', () => {
  test('is bounded over a day of samples, spans all of it, and ends with the newest', () => {
    const curve = createCurve(MOST);
    const day = 24 * 60 * 60_000;
    for (let at = 0; at <= day; at += 1_000) {
      curve.add({ at, count: day - at });
      expect(curve.samples.length).toBeLessThanOrEqual(MOST);
    }
    expect(curve.samples[0]?.at).toBe(0);
    expect(curve.samples.at(-1)).toEqual({ at: day, count: 0 });
    const gaps = curve.samples.slice(1).map(({ at }, index) => at - (curve.samples[index]?.at ?? 0));
    // Thinned evenly: no stretch of the day is kept much finer than another one.
    expect(Math.max(...gaps)).toBeLessThan(day / (MOST / 4));
  });

  test('keeps the newest of what comes too fast', () => {
    const curve = createCurve(MOST);
    for (let at = 0; at < 200; at += 10) curve.add({ at, count: at });
    expect(curve.samples.length).toBeLessThan(4);
    expect(curve.samples.at(-1)).toEqual({ at: 190, count: 190 });
  });

  test('forgets when told so', () => {
    const curve = createCurve(MOST);
    for (let at = 0; at < 1_000_000; at += 1_000) curve.add({ at, count: 1 });
    curve.clear();
    expect(curve.samples).toEqual([]);
    for (const at of [0, 300, 600]) curve.add({ at, count: 1 });
    expect(curve.samples).toHaveLength(3);
  });
});

describe('The course', () => {
  test('is evenly spaced in time, from the first sample to now', () => {
    const samples = [0, 1, 2, 3, 50, 100].map((at) => ({ at, count: at }));
    expect(courseOf(samples, 100, 5)).toEqual([0, 3, 50, 50, 100]);
    expect(courseOf(samples, 200, 3)).toEqual([0, 100, 100]);
  });

  test('leaves a gap where the number was unknown', () => {
    const samples = [4, null, 2, 1].map((count, at) => ({ at, count }));
    expect(courseOf(samples, 3, 4)).toEqual([4, null, 2, 1]);
  });

  test('of nothing is nothing', () => {
    expect(courseOf([], 100, 5)).toEqual([]);
  });
});
