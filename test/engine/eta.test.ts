import { describe, expect, test } from '@jest/globals';
import { estimate, type Sample } from '../../agent/engine/eta.ts';

const SECOND = 1_000;

/** One sample a second of `count(second)`, for so many seconds. */
function curve(seconds: number, count: (second: number) => number | null): Sample[] {
  return Array.from({ length: seconds + 1 }, (_none, second) => ({
    at: 5_000_000 + second * SECOND,
    count: count(second),
  }));
}

const ask = (samples: readonly Sample[], atMostMs: number | null = null) =>
  estimate(samples, samples.at(-1)?.at ?? 0, atMostMs);

/** How many of 100 are left when each leaves at the same rate. */
const leaving = (meanSeconds: number) => (second: number) =>
  Math.round(100 * Math.exp(-second / meanSeconds));

describe('The ETA', () => {
  test('of users who leave at one rate is near the moment when the last of them is gone', () => {
    const { eta, reason } = ask(curve(60, leaving(60)));
    expect(reason).toBeNull();
    // The curve itself is under one half of a user after 318 s, so 258 s from now.
    expect(eta?.seconds).toBeGreaterThan(258 / 3);
    expect(eta?.seconds).toBeLessThan(258 * 3);
  });

  test('comes down as the drain goes on, and is 0 when no user is left', () => {
    const at = [30, 90, 180, 270].map((seconds) => ask(curve(seconds, leaving(60))).eta?.seconds ?? NaN);
    expect(at).toEqual(at.toSorted((one, other) => other - one));
    expect(ask(curve(400, leaving(60))).eta).toEqual({ seconds: 0, atMost: null });
  });

  test('does not depend on the unit of time', () => {
    const fast = curve(60, leaving(60));
    const slow = fast.map(({ at, count }) => ({ at: at * 60, count }));
    const [one, other] = [ask(fast).eta?.seconds ?? NaN, ask(slow).eta?.seconds ?? NaN];
    expect(Math.abs(other / one - 60)).toBeLessThan(1);
  });

  test('follows the recent course: after a cliff it forgets the plateau', () => {
    const cliff = curve(80, (second) => (second < 60 ? 50 : Math.max(5, 50 - 3 * (second - 60))));
    expect(ask(curve(59, () => 50)).reason).toBe('no sign of falling');
    expect(ask(cliff).eta?.seconds).toBeLessThan(60);
  });

  test.each([
    ['a plateau', curve(600, () => 40)],
    ['growth', curve(60, (second) => 10 + second)],
    ['the coming and going of connections', curve(600, (second) => 20 + ((second * 7) % 5))],
  ])('has no sign of falling in %s', (_what, samples) => {
    expect(ask(samples)).toEqual({ eta: null, reason: 'no sign of falling' });
  });

  test.each([
    ['forty, of whom two have left', curve(600, (second) => (second < 300 ? 40 : 38))],
    [
      'four, of whom two have left within five seconds',
      curve(5, (second) => 4 - Math.min(2, Math.floor(second / 2))),
    ],
  ])('sees that they leave, and cannot tell how fast, of %s', (_what, samples) => {
    expect(ask(samples)).toEqual({ eta: null, reason: 'too few have left for an estimate' });
  });

  test('promises no end when the fall would take far longer than was looked at', () => {
    const { eta, reason } = ask(curve(60, (second) => (second < 30 ? 1_000 : 997)));
    expect(eta).toBeNull();
    expect(reason).toMatch(/no end in sight/);
  });

  test('is not shown too early', () => {
    expect(ask(curve(2, (second) => 9 - 3 * second)).reason).toBe('too early for an estimate');
  });

  test('is not shown while the number is unknown, and is shown over a gap', () => {
    const gap = curve(120, (second) => (second > 50 && second < 60 ? null : leaving(60)(second)));
    expect(ask([]).reason).toMatch(/unknown/);
    expect(ask([...gap, { at: 5_000_000 + 121 * SECOND, count: null }])).toEqual({
      eta: null,
      reason: 'the number of users left is unknown',
    });
    expect(ask(gap).eta?.seconds).toBeGreaterThan(0);
  });

  test('has the bound beside it, and the bound alone where the curve tells nothing', () => {
    expect(ask(curve(60, leaving(60)), 90_500).eta).toEqual({ seconds: expect.any(Number), atMost: 91 });
    expect(
      ask(
        curve(60, () => 7),
        90_500,
      ),
    ).toEqual({
      eta: { seconds: null, atMost: 91 },
      reason: 'no sign of falling',
    });
  });
});
