import { describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createJournal } from '../../agent/journal/journal.ts';
import {
  createPidFileRecords,
  openPidFileRecords,
  type PidFileRecords,
} from '../../agent/app/pid-file-record.ts';
import { realClock } from '../../agent/system/clock.ts';
import { processStatus, bootId, startTimeOf } from '../../agent/system/process.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { provenBy } from '../support/proven.ts';
import { createShiftedClock } from '../support/shifted-clock.ts';
import { until } from '../support/until.ts';
import { appWithFile, stopperOf } from '../support/signal-stopper.ts';
import { dir, pidFile } from '../support/stopper-fixtures.ts';

describe('only the proven process is signalled', () => {
  test('a file that is older than the process it names is another process’s by now', async () => {
    const other = await appWithFile('hangs');
    const anHourAgo = Date.now() / 1000 - 3600;
    await utimes(pidFile, anHourAgo, anHourAgo);
    const error = await refusalOf(() => stopperOf({ pidFile }).check(never));
    expect(error.message).toContain(`was written before process ${other.pid} started`);
  });

  test('and that file does not say that the application is gone, as long as a process lives under its number', async () => {
    await appWithFile('hangs');
    const anHourAgo = Date.now() / 1000 - 3600;
    await utimes(pidFile, anHourAgo, anHourAgo);
    expect(stopperOf({ pidFile }).gone(null)).toBe('unknown');
  });

  test.each([
    ['forwards', 3_600_000],
    ['back', -3_600_000],
  ])(
    'the calendar is set an hour %s: a pid file that was seen before is as old as it was',
    async (_way, ms) => {
      const clock = createShiftedClock();
      const other = await appWithFile('hangs');
      const fresh = stopperOf({ pidFile }, clock);
      const oldFile = join(dir.path, 'old.pid');
      await writeFile(oldFile, `${other.pid}\n`);
      const halfAnHourAgo = Date.now() / 1000 - 1800;
      await utimes(oldFile, halfAnHourAgo, halfAnHourAgo);
      const old = stopperOf({ pidFile: oldFile }, clock);
      clock.stepCalendar(ms);
      expect(await provenBy(fresh)).toMatchObject({ pid: other.pid });
      expect((await refusalOf(() => old.check(never))).message).toContain(
        `was written before process ${other.pid} started`,
      );
      expect([fresh.gone(null), old.gone(null)]).toEqual(['unknown', 'unknown']);
    },
  );

  /** What one sidecar after the other has seen, over the same file. */
  const pidFiles = async (boot = bootId()): Promise<PidFileRecords> => {
    const noteFile = createJournal(join(dir.path, 'app1.json.pid'), { node: 'app1' }, realClock);
    const load = async (): Promise<unknown> => {
      const found = await noteFile.load(never);
      return found.kind === 'record' ? found.record : null;
    };
    const onWarning = (text: string): never => {
      throw new Error(text);
    };
    const book = { load, save: (note: object) => noteFile.save(note) };
    return openPidFileRecords(book, { clock: realClock, bootId: boot, onWarning });
  };

  const onDisk = async (): Promise<void> => {
    await until('it is on disk', () => existsSync(join(dir.path, 'app1.json.pid')));
  };

  test.each([
    ['forwards', 3_600_000],
    ['back', -3_600_000],
  ])(
    'the calendar is set an hour %s, and another sidecar begins: a file is as old as it was',
    async (_way, ms) => {
      const other = await appWithFile('hangs');
      stopperOf({ pidFile }, realClock, { pidFiles: await pidFiles() });
      await onDisk();
      const clock = createShiftedClock();
      clock.stepCalendar(ms);
      const next = stopperOf({ pidFile }, clock, { pidFiles: await pidFiles() });
      expect(await provenBy(next)).toMatchObject({ pid: other.pid });
    },
  );

  test('the calendar is set back, and another sidecar begins: an old file stays an old one', async () => {
    const other = await appWithFile('hangs');
    const halfAnHourAgo = Date.now() / 1000 - 1800;
    await utimes(pidFile, halfAnHourAgo, halfAnHourAgo);
    stopperOf({ pidFile }, realClock, { pidFiles: await pidFiles() });
    await onDisk();
    const clock = createShiftedClock();
    clock.stepCalendar(-1_700_000);
    const next = stopperOf({ pidFile }, clock, { pidFiles: await pidFiles() });
    expect((await refusalOf(() => next.check(never))).message).toContain(
      `was written before process ${other.pid} started`,
    );
  });

  test('a file that was seen in another boot means no process of this one', async () => {
    const other = await appWithFile('hangs');
    stopperOf({ pidFile }, realClock, { pidFiles: await pidFiles('another boot') });
    await onDisk();
    const next = stopperOf({ pidFile }, realClock, { pidFiles: await pidFiles() });
    const { message } = await refusalOf(() => next.check(never));
    expect(message).toContain(`before the machine was booted, and process ${other.pid} after that`);
  });

  test.each([
    ['older than its process', -3_600],
    ['of the future', 3_600],
  ])(
    'a file that seems to be %s, of a process that listens on a port of the application, names it, whatever the clock says',
    async (_what, seconds) => {
      const served = await appWithFile('serves');
      const then = Date.now() / 1000 + seconds;
      await utimes(pidFile, then, then);
      const known = { pidFiles: createPidFileRecords(bootId()) };
      const refusal = await refusalOf(() => stopperOf({ pidFile }, realClock, known).check(never));
      expect(refusal.message).toContain('does not listen on a port of the application');
      const ports = { ...known, appPorts: async () => [1, Number(served.note)] };
      expect(await provenBy(stopperOf({ pidFile }, realClock, ports))).toMatchObject({ pid: served.pid });
      // It stays proven when it closes its listener first.
      expect(await provenBy(stopperOf({ pidFile }, realClock, known))).toMatchObject({ pid: served.pid });
    },
  );

  test('a pid file that is written after the calendar was set is as old as it is', async () => {
    const clock = createShiftedClock();
    const stopper = stopperOf({ pidFile }, clock);
    const first = await appWithFile('hangs');
    stopper.sight?.();
    clock.stepCalendar(3_600_000);
    const second = await appWithFile('hangs');
    const later = (Date.now() + 3_600_000) / 1000;
    await utimes(pidFile, later, later);
    expect(await provenBy(stopper)).toMatchObject({ pid: second.pid });
    expect(processStatus(first.pid, startTimeOf(first.pid) ?? '')).toBe('alive');
  });
});
