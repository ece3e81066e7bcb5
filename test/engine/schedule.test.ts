import { afterEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { ScheduleConfig } from '../../agent/config/config.ts';
import { createSchedule, type Schedule } from '../../agent/engine/schedule.ts';
import { memoryLog } from '../support/memory-log.ts';

const everySecond: ScheduleConfig = {
  cron: '* * * * * *',
  timezone: null,
  do: 'restart',
  reason: 'weekly recycle',
};
let schedule: Schedule | undefined;
afterEach(() => schedule?.close());

/** A schedule that runs, with a submit that tells the test and waits for what `busy` gives it. */
function begin(entry: ScheduleConfig, busy: () => Promise<void>) {
  const log = memoryLog();
  const submitted: string[] = [];
  let seen: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (seen = resolve));
  schedule = createSchedule([entry], {
    log,
    submit: async (kind, reason) => {
      submitted.push(`${kind}: ${reason}`);
      seen();
      await busy();
    },
  });
  schedule.start();
  return { log, submitted, first };
}

describe('The schedule', () => {
  test('submits what the entry says, each time', async () => {
    const { log, submitted, first } = begin(everySecond, async () => undefined);
    await first;
    expect(submitted).toEqual(['restart: weekly recycle']);
    await log.next(() => log.records.filter(({ level }) => level === 'info').length === 2);
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
    const log = memoryLog();
    let count = 0;
    const ports = { log, submit: async () => void count++ };
    const never = createSchedule([everySecond], ports);
    const { first, submitted } = begin(everySecond, async () => undefined);
    await first;
    schedule?.close();
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
    const make = () =>
      createSchedule([{ ...everySecond, cron, timezone }], {
        log: memoryLog(),
        submit: async () => undefined,
      });
    expect(make).toThrow(
      expect.objectContaining({
        code: 'config',
        target: expect.stringContaining(cron),
        next: expect.stringContaining('cron fields'),
      }),
    );
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
