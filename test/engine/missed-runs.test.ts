import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { NoteFile } from '../../agent/app/launch-record.ts';
import type { ScheduleConfig } from '../../agent/config/config.ts';
import { createDueRuns, type DueRuns, openDueRuns } from '../../agent/engine/due-runs.ts';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import { dueName, type MissedRun } from '../../agent/engine/missed-runs.ts';
import { createSchedule, type Schedule, type SchedulePorts } from '../../agent/engine/schedule.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { createLabelledCounts } from '../../agent/system/labelled-counts.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryLog } from '../support/memory-log.ts';
import { pretendDate } from '../support/pretend-date.ts';

/** Sunday, four o'clock, of a week in which no sidecar ran; the machine's own calendar has nothing to do with it. */
const SUNDAY = Date.parse('2025-12-28T04:00:00Z');
const WEEKLY: ScheduleConfig = {
  cron: '0 4 * * 0',
  timezone: 'UTC',
  do: 'restart',
  reason: 'weekly recycle',
  jitterMs: 0,
  when: null,
};
const EVERY_SECOND: ScheduleConfig = { ...WEEKLY, cron: '* * * * * *', timezone: null };

let schedule: Schedule | undefined;
afterEach(() => schedule?.close());

/** A disk that keeps one note. */
function memoryNote(): NoteFile & { note: unknown; saves: number } {
  const self = {
    note: null as unknown,
    saves: 0,
    load: async () => self.note,
    async save(note: object) {
      self.saves += 1;
      self.note = JSON.parse(JSON.stringify(note));
    },
  };
  return self;
}

function keep(entries: readonly ScheduleConfig[], dueRuns: DueRuns, changes: Partial<SchedulePorts> = {}) {
  const [log, missed] = [memoryLog(), [] as MissedRun[]];
  const ports: SchedulePorts = {
    clock: new ManualClock(),
    random: () => 0,
    log,
    runs: createLabelledCounts(),
    lastRuns: createLastRuns(),
    dueRuns,
    onMissed: (run) => void missed.push(run),
    condition: () => null,
    submit: async () => ({ ok: true, id: 'op1', code: 'done' }),
    ...changes,
  };
  schedule = createSchedule(entries, ports);
  schedule.start();
  return { schedule, log, missed, samples: ports.runs.samples() };
}

const opened = (note: NoteFile, warnings: string[] = []): Promise<DueRuns> =>
  openDueRuns(note, { clock: new ManualClock(), onWarning: (text) => void warnings.push(text) });

describe('A run of the calendar to which no sidecar has come', () => {
  test('is reported once: in the log, to the audit log and the counts; and in the status until the next one begins', async () => {
    const note = memoryNote();
    note.note = { [dueName(WEEKLY)]: { next: SUNDAY } };
    const dueRuns = await opened(note);
    const { schedule: first, log, missed, samples } = keep([WEEKLY], dueRuns);
    const due = '2025-12-28T04:00:00.000Z';
    expect(missed).toEqual([{ do: 'restart', reason: 'weekly recycle', cron: '0 4 * * 0', due }]);
    expect(log.records).toMatchObject([{ level: 'warn', fields: { do: 'restart', due } }]);
    expect(log.records[0]?.message).toContain('was missed');
    expect(samples).toEqual([[{ do: 'restart', outcome: 'missed' }, 1]]);
    expect(first.alarms).toEqual([
      expect.stringMatching(/^the scheduled restart of 2025-12-28T04.*was missed/),
    ]);
    first.close();
    await dueRuns.keep({}); // Behind what was being written.
    const second = keep([WEEKLY], await opened(note));
    expect([second.missed, second.log.records, second.samples]).toEqual([[], [], []]);
    expect(second.schedule.alarms).toHaveLength(1);
  });

  test('is over with the next one, which is on disk as such before anything is asked for', async () => {
    const note = memoryNote();
    note.note = { [dueName(EVERY_SECOND)]: { next: SUNDAY } };
    const dueRuns = await opened(note);
    let asked: (next: number) => void = () => undefined;
    const first = new Promise<number>((resolve) => (asked = resolve));
    const { schedule: kept } = keep([EVERY_SECOND], dueRuns, {
      submit: async () => {
        asked((note.note as Record<string, { next: number }>)[dueName(EVERY_SECOND)]?.next ?? 0);
        return { ok: true, id: 'op1', code: 'done' };
      },
    });
    expect(kept.alarms).toHaveLength(1);
    const began = Date.now();
    expect(await first).toBeGreaterThan(began);
    expect(kept.alarms).toEqual([]);
  });

  test('is missed as well where the sidecar was ended while the run waited for its jitter', async () => {
    const note = memoryNote();
    const clock = new ManualClock();
    const jittered = { ...EVERY_SECOND, jitterMs: 600_000 };
    const { schedule: kept } = keep([jittered], await opened(note), { clock, random: () => 0.5 });
    await clock.armed();
    kept.close();
    const later = new ManualClock();
    later.wall = () => new Date(Date.now() + 60_000);
    expect(keep([jittered], await opened(note), { clock: later }).missed).toHaveLength(1);
  });

  const leftOut = 'a scheduled operation was left out: the one before it is still going on';
  /** What the next sidecar tells that begins half a second after the run that was left out. */
  const afterOverlap = async (
    changes: Partial<SchedulePorts>,
    entry = EVERY_SECOND,
  ): Promise<MissedRun[]> => {
    const note = memoryNote();
    const { schedule: kept, log } = keep([entry], await opened(note), changes);
    const { fields } = await log.next(({ message }) => message === leftOut);
    kept.close();
    const later = new ManualClock();
    later.wall = () => new Date(Date.parse(String(fields['at'])) + 500);
    return keep([entry], await opened(note), { clock: later }).missed;
  };

  test('is none of one that was left out, as the one before it was still going on', async () => {
    let end: () => void = () => undefined;
    const going = new Promise<void>((resolve) => (end = resolve));
    const submit = async (): Promise<{ ok: true; id: string; code: 'done' }> => {
      await going;
      return { ok: true, id: 'op1', code: 'done' };
    };
    expect(await afterOverlap({ submit })).toEqual([]);
    end();
  });

  test('is the one that waited for its jitter, whatever was left out meanwhile', async () => {
    const jittered = { ...EVERY_SECOND, jitterMs: 600_000 };
    expect(await afterOverlap({ random: () => 0.5 }, jittered)).toHaveLength(1);
  });

  test('is one of the hour that comes twice, where the calendar was begun the first time: it has no run the second time', async () => {
    // 02:40 of 25 October, before the clocks are set back; at 02:30 after that it would have run.
    const now = new Date('2026-10-25T00:40Z');
    const nightly = { ...WEEKLY, cron: '30 2 * * *', timezone: 'Europe/Berlin' };
    const note = memoryNote();
    note.note = { [dueName(nightly)]: { next: Date.parse('2026-10-25T01:30Z') } };
    pretendDate(now);
    try {
      const kept = keep([nightly], await opened(note), { clock: new ManualClock(0, now) });
      expect(kept.missed).toMatchObject([{ due: '2026-10-25T01:30:00.000Z' }]);
      expect(kept.log.records[0]?.message).toContain('in the hour that comes twice');
      expect(kept.schedule.alarms).toEqual([
        expect.stringMatching(/restart of 2026-10-25T01:30.*its next run at 2026-10-26T01:30/),
      ]);
    } finally {
      schedule?.close();
      jest.useRealTimers();
    }
  });

  test('is none of an entry that is new, that was changed, or whose time is still to come', async () => {
    const note = memoryNote();
    const future = { ...WEEKLY, do: 'reboot' } as const;
    const next = Date.parse('2099-01-01T04:00:00Z');
    note.note = { 'restart 1 4 * * 0 UTC': { next: SUNDAY }, [dueName(future)]: { next, missed: null } };
    const dueRuns = await opened(note);
    const { missed, schedule: kept } = keep([WEEKLY, future], dueRuns);
    expect([missed, kept.alarms]).toEqual([[], []]);
    await dueRuns.keep({});
    // What left the configuration is forgotten.
    expect(Object.keys(note.note as object).toSorted()).toEqual(
      [dueName(future), dueName(WEEKLY)].toSorted(),
    );
  });
});

describe('The note of what is due', () => {
  test('is not written where there is no calendar', async () => {
    const note = memoryNote();
    keep([], await opened(note));
    expect(note.saves).toBe(0);
  });

  test.each([
    ['a number', 7],
    ['a time that is none', { [dueName(WEEKLY)]: { next: 1e300 } }],
    ['a text', { [dueName(WEEKLY)]: { next: 'now' } }],
    ['an entry that is null', { [dueName(WEEKLY)]: null }],
    ['a run that was missed at no time', { [dueName(WEEKLY)]: { next: SUNDAY, missed: {} } }],
  ])('is none where it has %s', async (_what, content) => {
    const note = memoryNote();
    note.note = content;
    const { missed, schedule: kept } = keep([WEEKLY], await opened(note));
    expect([missed, kept.alarms]).toEqual([[], []]);
  });

  test('is a warning where the disk fails, and keeps no run from its beginning', async () => {
    const warnings: string[] = [];
    const fails = (): Promise<never> => Promise.reject(new LastcallError('state-write', 'no space left'));
    const dueRuns = await opened({ load: fails, save: fails }, warnings);
    await dueRuns.keep({ a: { next: 1, missed: null } });
    expect(dueRuns.of('a')).toEqual({ next: 1, missed: null });
    expect(warnings).toEqual([
      expect.stringContaining('no space left'),
      expect.stringContaining('no space left'),
    ]);
    expect(createDueRuns().of('toString')).toBeNull();
  });
});
