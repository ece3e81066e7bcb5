import { describe, expect, test } from '@jest/globals';
import { poolText } from '../../../agent/cli/view/pool.ts';
import type { PoolReport } from '../../../agent/lifecycle/model/pool-report.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const plain = (_style: string, text: string): string => text;

function report(count: number, out: number): PoolReport {
  const servers = Array.from({ length: count }, (_none, index) => ({
    name: `app/app${index + 1}`,
    status: index < out ? 'MAINT' : 'UP',
    seconds: 60,
    connections: 0,
    queued: 0,
  }));
  return { at: NOW.toISOString(), lock: null, balancers: [{ name: 'lb1', error: null, servers }] };
}
const linesOf = (shown: PoolReport): string[] => poolText(shown, NOW, plain).split('\n');

describe('The pool on a screen', () => {
  test('has a line for each server of a small backend, whatever its state', () => {
    const lines = linesOf(report(5, 1));
    expect(lines.filter((line) => line.startsWith('lb1'))).toHaveLength(5);
  });

  test('has a line for each server out of service of a large one, and the number of the others', () => {
    const lines = linesOf(report(1_000, 3)).filter((line) => line.startsWith('lb1'));
    expect(lines.slice(0, 3).every((line) => /app\/app\d +MAINT +1m/.test(line))).toBe(true);
    expect(lines.slice(3)).toEqual([expect.stringMatching(/^lb1 +997 of 1000 in service$/)]);
  });

  test('stays a screen where nearly all are out', () => {
    const lines = linesOf(report(1_000, 500));
    expect(lines.length).toBeLessThan(30);
    expect(lines.at(-1)).toMatch(/500 of 1000 in service, and 480 not shown$/);
  });

  test('names the first who wait, and how many more there are', () => {
    const waiter = (_none: unknown, index: number) => ({
      node: `app${index + 1}`,
      operation: 'restart' as const,
      by: 'schedule',
      reason: null,
      since: '2025-12-31T23:59:00Z',
    });
    const waiters = Array.from({ length: 30 }, waiter);
    const lock = { pool: 'app', name: 'etcd', error: null, slots: 1, brake: 1, holders: [], waiters };
    const lines = linesOf({ ...report(1, 0), lock });
    expect(lines.filter((line) => line.includes('waits, place'))).toHaveLength(20);
    expect(lines).toContain('and 10 more wait');
  });

  test('says how old it is where that is more than two seconds', () => {
    const after = (ms: number): string => poolText(report(1, 0), new Date(NOW.getTime() + ms), plain);
    expect(after(2_000)).not.toContain('old');
    expect(after(9_000)).toMatch(/^parts of this are 9s old\n/);
  });

  test('says what is not known: a lock that does not answer, a balancer that shows nothing', () => {
    const lock = {
      pool: 'app',
      name: 'etcd',
      error: 'etcd: no answer',
      slots: null,
      brake: null,
      holders: [],
      waiters: [],
    };
    const text = poolText(
      { ...report(0, 0), lock, balancers: [{ name: 'lb1', error: 'gone', servers: [] }] },
      NOW,
      plain,
    );
    expect(text).toContain('its lock does not answer: etcd: no answer');
    expect(text).toMatch(/lb1 +unknown: gone/);
    expect(text).not.toMatch(/0 of|0 waiting/);
  });
});
