import { describe, expect, test } from '@jest/globals';
import { growingIn, growthOf, type Size } from './size.ts';

/** Forty samples of a soak, with what the measures have after so many cycles. */
function soaked(measures: (cycle: number) => Partial<Size>, every = 55): readonly Size[] {
  const flat = { heapKib: 16_000, rssKib: 90_000, descriptors: 30, timers: 8, listeners: 60 };
  return Array.from({ length: 40 }, (_none, at) => {
    const cycle = 300 + at * every;
    return { cycle, ...flat, ...measures(cycle) };
  });
}
/** From -1 to 1, without a trend. */
const noise = (cycle: number): number => Math.sin(cycle * 12.9898);
const growing = (sizes: readonly Size[]): readonly string[] => growingIn(growthOf(sizes));

describe('A soak is flat', () => {
  test('where nothing changes, and where samples vary', () => {
    expect(growing(soaked(() => ({})))).toEqual([]);
    const varying = (cycle: number): Partial<Size> => ({
      heapKib: 16_000 + Math.round(400 * noise(cycle)),
      rssKib: 90_000 + Math.round(9_000 * noise(cycle)),
      descriptors: 30 + Math.round(3 * noise(cycle)),
      timers: 8 + Math.round(2 * noise(cycle)),
      listeners: 60 + Math.round(20 * noise(cycle)),
    });
    expect(growing(soaked(varying))).toEqual([]);
  });

  test('where a heap fills up and then stays, whatever it has come to', () => {
    const filling = (cycle: number): Partial<Size> => ({ heapKib: 15_000 + Math.min(cycle, 1_200) * 3 });
    const growth = growthOf(soaked(filling));
    expect(growth.heapKib).toMatchObject({ median: 18_600, perThousand: 0, rise: 0 });
    expect(growingIn(growth)).toEqual([]);
  });

  test('where one thing more is kept from some cycle on', () => {
    expect(growing(soaked((cycle) => ({ descriptors: cycle > 1_900 ? 32 : 31, timers: 9 })))).toEqual([]);
  });
});

describe('A soak is not flat', () => {
  test.each(['descriptors', 'timers', 'listeners'] as const)('with one of %s more in each cycle', (one) => {
    expect(growing(soaked((cycle) => ({ [one]: 30 + cycle })))).toEqual([
      expect.stringMatching(new RegExp(`^${one}: .*"perThousand":1000,`)),
    ]);
    // Of a few cycles, with what comes and goes besides.
    const few = soaked((cycle) => ({ [one]: 30 + cycle + Math.round(3 * noise(cycle)) }), 1);
    expect(growing(few)).toEqual([expect.stringContaining(one)]);
  });

  test('with 200 bytes of heap more in each cycle, also where samples vary', () => {
    const leaking = (cycle: number): Partial<Size> => ({
      heapKib: 16_000 + Math.round(cycle * 0.2 + 20 * noise(cycle)),
    });
    expect(growing(soaked(leaking))).toEqual([expect.stringContaining('heapKib')]);
  });
});

test('A few samples show no growth, and are not taken for flat', () => {
  expect(() => growthOf(soaked(() => ({})).slice(0, 12))).toThrow('too few');
});
