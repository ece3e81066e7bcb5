import { afterEach, describe, expect, test } from '@jest/globals';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import { begin, closeSchedule, everySecond } from '../support/schedule-rig.ts';

afterEach(closeSchedule);

describe('The schedule', () => {
  test('has one reboot for each run, whatever the clock and the condition say after the boot', async () => {
    const reboot = { ...everySecond, do: 'reboot', cron: '* * * * * *' } as const;
    const lastRuns = createLastRuns();
    const ahead = Date.now() + 3_600_000;
    // What the file of a boot has whose clock was ahead by an hour.
    lastRuns.resume({ '* * * * * *': ahead });
    const { submitted, counted, log } = begin(reboot, async () => undefined, { lastRuns });
    await log.next(({ message }) => message.includes('this run of it was before the boot'));
    expect(submitted).toEqual([]);
    expect(counted()).toEqual({ 'reboot repeated': 1 });
    expect(lastRuns.of('* * * * * *')).toBe(ahead);
  });

  test('tells two entries of one time apart by their `when`', async () => {
    const when = { kind: 'file', path: '/run/reboot-required' } as const;
    const [lastRuns, other] = [createLastRuns(), createLastRuns()];
    await begin({ ...everySecond, do: 'reboot', when }, async () => undefined, { lastRuns }).first;
    closeSchedule();
    await begin(
      { ...everySecond, do: 'reboot', when: { ...when, path: '/run/other' } },
      async () => undefined,
      {
        lastRuns: other,
      },
    ).first;
    const keys = [lastRuns, other].flatMap(({ all }) => Object.keys(all));
    expect(new Set(keys).size).toBe(2);
  });

  test('knows a run that was noted before the disk was read, and what the disk has of others', () => {
    const lastRuns = createLastRuns();
    lastRuns.note('a', 2);
    lastRuns.resume({ a: 1, b: 1 });
    expect(lastRuns.all).toEqual({ a: 2, b: 1 });
    for (let index = 0; index < 40; index += 1) lastRuns.note(`c${index}`, 3);
    expect(Object.keys(lastRuns.all)).toHaveLength(32);
    expect([lastRuns.of('a'), lastRuns.of('c39')]).toEqual([null, 3]);
  });

  test('notes a run that reboots before it is asked for, and goes by no note of long after it', async () => {
    const lastRuns = createLastRuns();
    lastRuns.resume({ '* * * * * *': Date.now() + 48 * 3_600_000 });
    const { first, submitted } = begin({ ...everySecond, do: 'reboot' }, async () => undefined, { lastRuns });
    await first;
    expect(submitted).toEqual(['reboot: weekly recycle']);
    expect(Math.abs(Date.now() - (lastRuns.of('* * * * * *') ?? 0))).toBeLessThan(5_000);
  });

  test('keeps no note of runs that reboot nothing', async () => {
    const lastRuns = createLastRuns();
    const { first } = begin(everySecond, async () => undefined, { lastRuns });
    await first;
    expect(lastRuns.all).toEqual({});
  });
});
