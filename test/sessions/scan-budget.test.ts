import { expect, test } from '@jest/globals';
import { createScanBudget } from '../../agent/sessions/scan-budget.ts';

test('what costs 70 ms is done at most once in 70 seconds', () => {
  const budget = createScanBudget();
  expect(budget.pauseMs()).toBe(0);
  budget.spent(70);
  expect(70 + budget.pauseMs()).toBe(70_000);
});

test('what costs nothing has no pause, even if it took less than its measure', () => {
  const budget = createScanBudget();
  budget.spent(-1);
  expect(budget.pauseMs()).toBe(0);
});

test('one slow answer among the last three is the machine, three are the cost', () => {
  const budget = createScanBudget();
  budget.spent(1);
  budget.spent(500);
  budget.spent(500);
  expect(budget.pauseMs()).toBe(999);
  budget.spent(500);
  expect(budget.pauseMs()).toBe(499_500);
});

test('after a failure it doubles, up to what the time spent would ask for, until one goes well', () => {
  const budget = createScanBudget();
  const pauses = [1, 2, 3, 4].map(() => {
    budget.failed(5);
    return budget.pauseMs();
  });
  expect(pauses).toEqual([1_000, 2_000, 4_000, 4_995]);
  budget.spent(2);
  expect(budget.pauseMs()).toBe(1_998);
  budget.failed(5);
  expect(budget.pauseMs()).toBe(1_000);
});
