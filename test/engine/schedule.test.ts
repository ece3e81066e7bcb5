import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { createTask } from 'node-cron';
import { createSchedule } from '../../agent/engine/schedule.ts';
import { createDueRuns } from '../../agent/engine/due-runs.ts';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import type { Condition } from '../../agent/hooks/condition.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { createLabelledCounts } from '../../agent/system/labelled-counts.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryLog } from '../support/memory-log.ts';
import { pretendDate } from '../support/pretend-date.ts';
import { DONE, begin, closeSchedule, everySecond } from '../support/schedule-rig.ts';

afterEach(closeSchedule);

describe('The schedule', () => {
  test('submits what the entry says, each time', async () => {
    const { log, submitted, first } = begin(everySecond, async () => undefined);
    await first;
    expect(submitted).toEqual(['restart: weekly recycle']);
    await log.next(() => log.records.filter(({ message }) => message.endsWith('begins')).length === 2);
    expect(submitted).toEqual(['restart: weekly recycle', 'restart: weekly recycle']);
  });

  test('does not begin an operation while its last one is going on, and says so', async () => {
    let end: () => void = () => undefined;
    const going = new Promise<void>((resolve) => (end = resolve));
    const { log, submitted } = begin(everySecond, () => going);
    // A machine that stood still may have missed one too.
    const warning = await log.next(({ message }) => message.includes('left out'));
    expect(warning.level).toBe('warn');
    expect(warning.fields).toMatchObject({
      do: 'restart',
      reason: 'weekly recycle',
      at: expect.stringMatching(/^\d{4}-/),
    });
    expect(submitted).toHaveLength(1);
    end();
  });

  test('tells of a run that was missed because the process was held up', async () => {
    const { log, first } = begin(everySecond, async () => undefined);
    await first;
    // The event loop stands still for longer than node-cron forgives (a second).
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_100);
    const warning = await log.next(({ level }) => level === 'warn');
    expect(warning.message).toContain('missed');
    expect(warning.fields).toMatchObject({
      cron: '* * * * * *',
      do: 'restart',
      at: expect.stringMatching(/^\d{4}-/),
    });
  });

  test('goes on after an operation that failed, and tells why', async () => {
    const { log, submitted } = begin(everySecond, () => Promise.reject(new Error('75 busy')));
    const told = await log.next(({ level }) => level === 'error');
    expect(told.fields).toMatchObject({ do: 'restart', error: { message: '75 busy' } });
    await log.next(() => log.records.filter(({ level }) => level === 'error').length === 2);
    expect(submitted).toHaveLength(2);
  });

  test('begins nothing before its start and nothing after its close', async () => {
    let count = 0;
    const never = createSchedule([everySecond], {
      clock: realClock,
      random: () => 0,
      log: memoryLog(),
      runs: createLabelledCounts(),
      lastRuns: createLastRuns(),
      dueRuns: createDueRuns(),
      onMissed: () => undefined,
      condition: () => null,
      submit: async () => ({ ...DONE, id: String(count++) }),
    });
    const { first, submitted } = begin(everySecond, async () => undefined);
    await first;
    closeSchedule();
    const after = submitted.length;
    const { first: another } = begin(everySecond, async () => undefined);
    await another;
    expect(submitted).toHaveLength(after);
    expect(count).toBe(0);
    never.close();
  });

  test.each([
    ['five o\u2019clock', null],
    ['61 * * * *', null],
    ['* * * *', null],
    ['0 4 * * 0', 'Europe/Atlantis'],
  ])('refuses "%s" in time zone %s with what to write instead', (cron, timezone) => {
    const make = () => begin({ ...everySecond, cron, timezone }, async () => undefined);
    expect(make).toThrow(
      expect.objectContaining({
        code: 'config',
        target: expect.stringContaining(cron),
        next: expect.stringContaining('cron fields'),
      }),
    );
  });

  test.each([
    ['done', true],
    ['guard', false],
  ] as const)('tells and counts how a run ended: %s', async (code, ok) => {
    const submit = async () => ({ ok, id: 'op7', code, ...(ok ? {} : { message: 'app/app1: too few' }) });
    const { log, counted } = begin(everySecond, async () => undefined, { submit });
    const told = await log.next(({ fields }) => 'id' in fields);
    expect(told).toMatchObject({ level: ok ? 'info' : 'warn', fields: { do: 'restart', id: 'op7' } });
    if (!ok) expect(told.fields).toMatchObject({ code, why: 'app/app1: too few' });
    expect(counted()).toEqual({ [`restart ${code}`]: 1 });
  });

  test('waits for a part of its jitter, and overlaps itself in none of it', async () => {
    const clock = new ManualClock();
    const jittered = { ...everySecond, jitterMs: 600_000 };
    const { log, submitted, first, counted } = begin(jittered, async () => undefined, {
      clock,
      random: () => 0.5,
    });
    await clock.armed();
    expect(log.records).toMatchObject([{ level: 'info', fields: { seconds: 300 } }]);
    await log.next(({ message }) => message.includes('left out'));
    clock.advance(299_999);
    expect(submitted).toEqual([]);
    clock.advance(1);
    await first;
    expect(submitted).toHaveLength(1);
    expect(counted()['restart overlap']).toBeGreaterThan(0);
  });

  test('gives a run up that waits when it is closed, and tells it', async () => {
    const clock = new ManualClock();
    const { log, submitted, counted } = begin({ ...everySecond, jitterMs: 1_000 }, async () => undefined, {
      clock,
      random: () => 0.9,
    });
    await clock.armed();
    closeSchedule();
    const told = await log.next(({ message }) => message.includes('given up'));
    expect(told.level).toBe('warn');
    expect(clock.pending).toBe(0);
    expect(submitted).toEqual([]);
    expect(counted()).toEqual({ 'restart given-up': 1 });
  });

  test('asks its condition after the jitter, and asks for nothing where it is not met or unknown', async () => {
    const answers = [
      async () => ({ isMet: false, why: 'no /run/due' }),
      () => Promise.reject(new LastcallError('failed', 'is-due did not end')),
      async () => ({ isMet: true, why: 'exit code 0' }),
    ];
    const condition: Condition = { name: 'is-due', look: () => (answers.shift() ?? (() => never))() };
    const never = new Promise<never>(() => undefined);
    const { log, submitted, first, counted } = begin(everySecond, async () => undefined, {
      condition: () => condition,
    });
    await first;
    expect(submitted).toHaveLength(1);
    expect(log.records.slice(0, 3)).toMatchObject([
      { level: 'info', message: 'a scheduled operation is not due', fields: { why: 'no /run/due' } },
      { level: 'warn', fields: { error: { message: 'is-due did not end' } } },
      { level: 'info', message: 'a scheduled operation begins' },
    ]);
    expect(counted()).toMatchObject({ 'restart not-due': 1, 'restart failed': 1 });
  });

  test.each([
    // Clocks go from 02:00 to 03:00 on 28 March 2027, and from 03:00 to 02:00 on 31 October.
    ['a time that is left out has no run that day', '2027-03-27T12:00Z', '30 2 * * *', '2027-03-29T00:30'],
    ['the hour after it has its own', '2027-03-27T12:00Z', '0 3 * * *', '2027-03-28T01:00'],
    [
      'a time that comes twice has one run, the second',
      '2027-10-30T12:00Z',
      '30 2 * * *',
      '2027-10-31T01:30',
    ],
    ['and the next one is a day later', '2027-10-31T01:31Z', '30 2 * * *', '2027-11-01T01:30'],
    ['29 February comes in leap years alone', '2096-03-01T00:00Z', '0 4 29 2 *', '2104-02-29T03:00'],
  ])('%s', (_what, now, cron, next) => {
    pretendDate(new Date(now));
    try {
      const [run] = createTask(cron, () => undefined, { timezone: 'Europe/Zurich' }).getNextRuns(1);
      expect(run?.toISOString().slice(0, 16)).toBe(next);
    } finally {
      jest.useRealTimers();
    }
  });

  test('keeps the time of its zone, and writes nothing to the console whatever happens', async () => {
    const program = fileURLToPath(new URL('../../dist/test/fixtures/schedule-runner.js', import.meta.url));
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [program]);
    expect(stderr).toBe('');
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toContain('zone ok');
    expect(lines.some((line) => line.startsWith('warn a scheduled operation was left out'))).toBe(true);
    expect(lines.some((line) => line.startsWith('warn a scheduled operation was missed'))).toBe(true);
    expect(lines.filter((line) => !/^(zone|info|warn|error|debug) /.test(line))).toEqual([]);
  });
});
