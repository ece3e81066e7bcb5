import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  MAX_DURATION_MS,
  durationAdvice,
  formatDuration,
  parseDuration,
} from '../../agent/formats/duration.ts';

describe('a duration is read', () => {
  test.each([
    ['500ms', 500],
    ['1ms', 1],
    ['2s', 2_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1h', 3_600_000],
    ['1h2m3s4ms', 3_723_004],
    ['90s', 90_000],
    ['596h', 2_145_600_000],
    ['2147483647ms', MAX_DURATION_MS],
  ])('from %s', (text, ms) => {
    expect(parseDuration(text)).toEqual({ ok: true, ms });
  });
});

test('the example for a number is accepted, whatever the number is', () => {
  const numbers = fc.oneof(fc.integer(), fc.double(), fc.integer({ min: -10, max: 100 }));
  fc.assert(
    fc.property(numbers, fc.constantFrom('zero', 'no-zero'), (number, zero) => {
      const [, example = ''] = /write for example (\S+)$/.exec(durationAdvice(number, zero)) ?? [];
      expect(parseDuration(example, zero)).toMatchObject({ ok: true });
    }),
  );
});

describe('a duration is refused', () => {
  test.each([
    ['', '"" is not a duration, write for example 500ms, 2s, 5m or 1h30m'],
    ['30', '"30" has no unit, write for example 30s'],
    ['1.5', '"1.5" has no unit, write for example 1500ms'],
    ['0', '"0" has no unit, write for example 30s'],
    ['99999999999', '"99999999999" has no unit, write for example 30s'],
    ['-5s', '"-5s" must not be negative'],
    ['1.5s', '"1.5s" is not a duration, write for example 500ms, 2s, 5m or 1h30m'],
    ['5 s', '"5 s" is not a duration, write for example 500ms, 2s, 5m or 1h30m'],
    ['5s ', '"5s " is not a duration, write for example 500ms, 2s, 5m or 1h30m'],
    ['5s\n', '"5s\\n" is not a duration, write for example 500ms, 2s, 5m or 1h30m'],
    ['30m1h', '"30m1h" is not a duration, write for example 500ms, 2s, 5m or 1h30m'],
    ['2d', '"2d" is not a duration, write for example 500ms, 2s, 5m or 1h30m'],
    ['5S', '"5S" is not a duration, write for example 500ms, 2s, 5m or 1h30m'],
    ['0s', '"0s" must be longer than nothing'],
    ['0h0m', '"0h0m" must be longer than nothing'],
    ['597h', '"597h" is longer than 596h, the longest a timer can wait'],
    ['2147483648ms', '"2147483648ms" is longer than 596h, the longest a timer can wait'],
    [`${'9'.repeat(400)}h`, `"${'9'.repeat(40)}..." is longer than 596h, the longest a timer can wait`],
  ])('as %j', (text, message) => {
    expect(parseDuration(text)).toEqual({ ok: false, message });
  });
});

test('nothing is a duration only where the caller allows it', () => {
  expect(parseDuration('0s', 'zero')).toEqual({ ok: true, ms: 0 });
  expect(parseDuration('0', 'zero').ok).toBe(false);
  expect(parseDuration('-0s', 'zero').ok).toBe(false);
});

test('any text is either refused or a whole number of milliseconds that a timer can wait', () => {
  const pieces = fc.array(fc.tuple(fc.nat(), fc.constantFrom('h', 'm', 's', 'ms', 'd', ' ', '')), {
    maxLength: 5,
  });
  const written = pieces.map((list) => list.flat().join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string(), written), (text) => {
      const read = parseDuration(text);
      if (read.ok) expect(Number.isInteger(read.ms) && read.ms > 0 && read.ms <= MAX_DURATION_MS).toBe(true);
      else expect(read.message).not.toContain('\n');
    }),
  );
});

describe('a duration is written for people', () => {
  test.each([
    [0, '0ms'],
    [249.6, '250ms'],
    [999.4, '999ms'],
    [999.6, '1s'],
    [1_500, '1.5s'],
    [2_000, '2s'],
    [9_949, '9.9s'],
    [9_960, '10s'],
    [59_400, '59s'],
    [59_600, '1m'],
    [90_000, '1m 30s'],
    [3_599_000, '59m 59s'],
    [3_599_600, '1h'],
    [3_600_000, '1h'],
    [5_400_000, '1h 30m'],
    [7_199_999, '2h'],
    [MAX_DURATION_MS, '596h 31m'],
  ])('%d ms', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test('and what is written without a fraction or a blank is read as nearly the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MAX_DURATION_MS }), (ms) => {
        const read = parseDuration(formatDuration(ms).replace(' ', ''));
        if (read.ok) expect(Math.abs(read.ms - ms)).toBeLessThanOrEqual(ms < 3_600_000 ? 1_000 : 60_000);
        else expect(formatDuration(ms)).toContain('.');
      }),
    );
  });
});
