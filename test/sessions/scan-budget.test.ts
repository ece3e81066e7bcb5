import { expect, test } from '@jest/globals';
import { createCadence } from '../../agent/sessions/scan-budget.ts';

test('what costs 70 ms is done at most once in 70 seconds', () => {
  const cadence = createCadence();
  expect(cadence.pauseMs()).toBe(0);
  cadence.done(70);
  expect(70 + cadence.pauseMs()).toBe(70_000);
});

test('what costs nothing has no pause, even if it took less than its measure', () => {
  const cadence = createCadence();
  cadence.done(-1);
  expect(cadence.pauseMs()).toBe(0);
});

test('one slow answer among the last three is the machine, three are the cost', () => {
  const cadence = createCadence();
  cadence.done(1);
  cadence.done(500);
  cadence.done(500);
  expect(cadence.pauseMs()).toBe(999);
  cadence.done(500);
  expect(cadence.pauseMs()).toBe(499_500);
});

test('after a failure it doubles, up to what the time spent would ask for, until one goes well', () => {
  const cadence = createCadence();
  const pauses = [1, 2, 3, 4].map(() => {
    cadence.failed(5);
    return cadence.pauseMs();
  });
  expect(pauses).toEqual([1_000, 2_000, 4_000, 4_995]);
  cadence.done(2);
  expect(cadence.pauseMs()).toBe(1_998);
  cadence.failed(5);
  expect(cadence.pauseMs()).toBe(1_000);
});
