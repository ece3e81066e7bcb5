import { expect, test } from '@jest/globals';
import { createScanBudget } from '../../agent/sessions/scan-budget.ts';
import { scanPauseMs } from '../../agent/sessions/scan-pause.ts';

const LEFT_MS = 1_000_000;

/** The pause after a scan of `costMs` that saw this, `stillMs` after the count had changed. */
function pause(
  count: number,
  longestMs: number,
  stillMs = 0,
  leftMs: number | null = LEFT_MS,
  costMs = 100,
): number {
  const budget = createScanBudget();
  budget.spent(costMs);
  return scanPauseMs(budget, { count, longestMs, tookMs: costMs, stillMs }, leftMs ?? undefined);
}

test.each([
  [
    'where nothing waits for the count, a thousandth of the time, whatever runs out',
    pause(3, 500, 0, null),
    99_900,
  ],
  ['of many, a hundredth', pause(500, 60_000), 9_900],
  ['of many, so that the scan comes to the last of them just when it has run out', pause(500, 3_000), 2_920],
  ['of many, not before a twentieth allows it', pause(500, 10), 1_900],
  ['of few, a quarter of a second', pause(3, 60_000), 250],
  ['of few at a small cost, a fifth', pause(3, 60_000, 0, LEFT_MS, 10), 40],
  ['of few at a great cost, as long as a scan', pause(3, 60_000, 0, LEFT_MS, 300), 300],
  ['of few for more than a minute, half a second', pause(3, 60_000, 60_001), 500],
  ['of few for more than a minute at a small cost, a twentieth', pause(3, 60_000, 60_001, LEFT_MS, 10), 190],
  ['of few for more than a minute at a great cost, a fifth', pause(3, 60_000, 60_001, LEFT_MS, 300), 1_200],
  ['of few, so that the scan comes to the last of them just when it has run out', pause(3, 300, 60_001), 220],
  ['of few, with no other scan just before that', pause(3, 670, 0), 590],
  ['of few, with another scan before that', pause(3, 680, 0), 250],
  ['of few, not before a half allows it', pause(3, 10, 60_001), 100],
  ['at zero, as long as a scan', pause(0, 0), 100],
  ['at zero seen twice, a fifth', pause(0, 0, 1), 400],
  ['of many near the deadline, a quarter of what is left', pause(500, 60_000, 0, 8_000), 2_000],
  ['of many at the deadline, not more than a fifth', pause(500, 60_000, 0, 1), 400],
])('a table is left alone: %s', (_what, ms, expected) => {
  expect(ms).toBe(expected);
});

test('before the first scan that went well it waits as after any failure', () => {
  const budget = createScanBudget();
  expect(scanPauseMs(budget, null, LEFT_MS)).toBe(0);
  budget.failed(5_000);
  expect(scanPauseMs(budget, null, LEFT_MS)).toBe(1_000);
});
