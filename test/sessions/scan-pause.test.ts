import { expect, test } from '@jest/globals';
import { createCadence } from '../../agent/sessions/cadence.ts';
import { scanPauseMs } from '../../agent/sessions/scan-pause.ts';

const LEFT_MS = 1_000_000;

/** The pause after a scan of 100 ms that saw this, `stillMs` after the count had changed. */
function pause(count: number, longestMs: number, stillMs = 0, leftMs: number | null = LEFT_MS): number {
  const cadence = createCadence();
  cadence.done(100);
  return scanPauseMs(cadence, { count, longestMs, changedAt: 5_000 }, 5_000 + stillMs, leftMs ?? undefined);
}

test.each([
  [
    'where nothing waits for the count, a thousandth of the time, whatever runs out',
    pause(3, 500, 0, null),
    99_900,
  ],
  ['of many, a hundredth', pause(500, 60_000), 9_900],
  ['of many, just when the last of them runs out', pause(500, 3_000), 3_020],
  ['of many, not before a twentieth allows it', pause(500, 10), 1_900],
  ['of few, at most 1 s', pause(3, 60_000), 400],
  ['of few for more than a minute, a twentieth', pause(3, 60_000, 60_001), 1_900],
  ['of few for more than a minute, just when the last of them runs out', pause(3, 700, 60_001), 720],
  ['of few, not before a fifth allows it', pause(3, 10, 60_001), 400],
  ['at zero, as long as a scan', pause(0, 0), 100],
  ['at zero for a while', pause(0, 0, 10_001), 400],
  ['of many near the deadline, a quarter of what is left', pause(500, 60_000, 0, 8_000), 2_000],
  ['of many at the deadline, not more than a fifth', pause(500, 60_000, 0, 1), 400],
])('a table is left alone: %s', (_what, ms, expected) => {
  expect(ms).toBe(expected);
});

test('before the first scan that went well it waits as after any failure', () => {
  const cadence = createCadence();
  expect(scanPauseMs(cadence, null, 0, LEFT_MS)).toBe(0);
  cadence.failed(5_000);
  expect(scanPauseMs(cadence, null, 0, LEFT_MS)).toBe(1_000);
});
