import { describe, expect, test } from '@jest/globals';
import { isFigure, passes } from '../figures.ts';
import { verdictOn } from '../verdict.ts';
import { rowsOf, type Pair } from './table-drain.ts';

const while_ = (slowestMs: number, waited = 1, failed = 0): Pair['draining'] => ({
  users: {
    ms: [...Array.from({ length: 3_999 }, () => 1), ...Array.from({ length: 5 }, () => slowestMs)],
    failed,
  },
  starved: { HAProxy: waited, 'the load program': 1 },
});
const five = (pair: Partial<Pair>): Pair[] =>
  Array.from({ length: 5 }, () => ({ draining: while_(11), quiet: while_(10), seconds: 10, ...pair }));
const verdicts = (pairs: readonly Pair[]): string[] => rowsOf(pairs).map((row) => verdictOn(row, 1));

describe('the rows of a drain by a large table', () => {
  test('pass with 1.1 times the p99.9 of as long without a drain, and fail with more than 1.2 times it', () => {
    expect(verdicts(five({}))).toEqual(['pass', 'pass']);
    expect(verdicts(five({ draining: while_(12.1) }))).toEqual(['FAIL', 'pass']);
    expect(verdicts(five({ draining: while_(11, 1, 1) }))).toEqual(['pass', 'FAIL']);
  });

  test('have medians: one bad run of five decides nothing', () => {
    expect(verdicts([...five({}).slice(1), ...five({ draining: while_(100) }).slice(4)])).toEqual([
      'pass',
      'pass',
    ]);
  });

  test.each([
    {
      of: 'HAProxy without a drain',
      pairs: five({ quiet: while_(10, 11) }),
      says: 'without a drain HAProxy waited 11 %',
    },
    {
      of: 'HAProxy in a drain',
      pairs: five({ draining: while_(30, 26) }),
      says: 'while a node drained HAProxy waited 26 %',
    },
    { of: 'time for all runs', pairs: five({}).slice(1), says: 'there was time for 4 of 5 runs' },
  ])('judge nothing where the machine had not enough of $of', ({ pairs, says }) => {
    const [row] = rowsOf(pairs);
    expect(row?.starved).toContain(says);
    expect(verdicts(pairs)[0]).toBe('noisy');
  });

  test('are none without a run', () => {
    expect(() => rowsOf([]).filter(isFigure).filter(passes)).toThrow('nothing was measured');
  });
});
