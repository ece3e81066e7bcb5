import { describe, expect, test } from '@jest/globals';
import { createSpread } from '../../agent/engine/spread.ts';

describe('the pauses between two polls', () => {
  test('are never longer than wanted, and not the same for two sidecars', () => {
    const [one, other] = [createSpread(() => 0), createSpread(() => 0.999)];
    one(2_000);
    other(2_000);
    expect([one(2_000), other(2_000)]).toEqual([2_000, expect.closeTo(1_400, -1)]);
  });

  test('begin anywhere in the first one, after a start and after an operation: a fleet that came to rest at one moment is out of step at once', () => {
    const shares = [0, 0.25, 0.999].map((random) => {
      const spread = createSpread(() => random);
      spread(50);
      return spread(2_000);
    });
    expect(shares).toEqual([0, 500, expect.closeTo(1_998)]);
  });

  test('of an operation are as they are', () => {
    const spread = createSpread(() => 0.5);
    expect([spread(50), spread(100), spread(50)]).toEqual([50, 100, 50]);
  });

  test('keep 200 sidecars that came to rest at one moment within what HAProxy takes at once', () => {
    // Each asks for some 5 ms; in step all 200 would ask within those.
    const times = Array.from({ length: 200 }, () => {
      const spread = createSpread(Math.random);
      let at = spread(2_000);
      const asked: number[] = [];
      for (; at < 20_000; at += spread(2_000)) asked.push(at);
      return asked;
    }).flat();
    const within = new Map<number, number>();
    for (const at of times) within.set(Math.floor(at / 5), (within.get(Math.floor(at / 5)) ?? 0) + 1);
    expect(Math.max(...within.values())).toBeLessThan(10);
  });
});
