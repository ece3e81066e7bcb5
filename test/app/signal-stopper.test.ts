import { describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LastcallError } from '../../agent/system/error.ts';
import { processStatus, inspectProcess, startTimeOf } from '../../agent/system/process.ts';
import { stopperContract } from '../contract/stopper.ts';
import { driven } from '../support/driven.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { skipped } from '../support/skip.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { provenBy } from '../support/proven.ts';
import { fixture } from '../support/fixture-reports.ts';
import { spawnQuiet } from '../support/spawn-quiet.ts';
import { until } from '../support/until.ts';
import { makeZombie } from '../support/zombie.ts';
import { app, appWithFile, stopperOf } from '../support/signal-stopper.ts';
import { dir, pidFile, roll } from '../support/stopper-fixtures.ts';

stopperContract('a signal to the pid of a file', {
  proves: true,
  running: async () => ({ app: await appWithFile('hangs'), stopper: stopperOf({ pidFile }) }),
  impossible: async () => stopperOf({ pidFile: join(dir.path, 'missing.pid') }),
});

stopperContract('a signal to a pid', {
  proves: true,
  running: async () => {
    const present = await app('exits-slowly', 50, 0);
    return { app: present, stopper: stopperOf({ pid: present.pid }) };
  },
  impossible: async () => {
    const present = await app('hangs');
    process.kill(present.pid, 'SIGKILL');
    await present.gone;
    await until('the process is gone', () => inspectProcess(present.pid) === 'gone');
    return stopperOf({ pid: present.pid });
  },
});

describe('only the proven process is signalled', () => {
  test.each([
    ['empty', '', 'is empty'],
    ['blank', ' \n', 'is empty'],
    ['no number', 'java', 'no process number'],
    ['two numbers', '12\n13\n', 'no process number'],
    ['negative', '-15', 'no process number'],
    ['a fraction', '12.5', 'no process number'],
    ['hexadecimal', '0x1f', 'no process number'],
    ['full of NUL', '\0\0\0\0', 'no process number'],
    ['larger than any pid', '99999999999999999999', 'no process number'],
    ['beyond 32 bits', String(2 ** 32 + 1), 'no process number'],
    ['0', '0', 'every process of the group'],
    ['1', '1', 'init'],
    ['our own', String(process.pid), 'lastcall itself'],
  ])('a pid file that is %s is refused', async (_what, text, reason) => {
    await writeFile(pidFile, text);
    const error = await refusalOf(() => stopperOf({ pidFile }).check(never));
    expect(error).toMatchObject({ code: 'app-stop', target: pidFile });
    expect(error.message).toContain(reason);
  });

  test('a pid file of 1 GB, a folder and a FIFO that no process writes to are refused at once', async () => {
    const huge = join(dir.path, 'huge');
    const fifo = join(dir.path, 'fifo');
    await writeFile(huge, '');
    await truncate(huge, 1e9);
    execFileSync('mkfifo', [fifo]);
    const message = async (path: string): Promise<string> =>
      (await refusalOf(() => stopperOf({ pidFile: path }).check(never))).message;
    expect(await message(huge)).toContain('longer than 64 bytes');
    expect(await message(dir.path)).toContain('not a regular file');
    expect(await message(fifo)).toContain('not a regular file');
  });

  test('a pid of 1, 0, below, or our own is refused from the command line too', async () => {
    for (const pid of [0, 1, -1, -process.pid, process.pid, 2 ** 31]) {
      expect(await refusalOf(() => stopperOf({ pid }).check(never))).toMatchObject({ code: 'app-stop' });
    }
  });

  test('one that has replaced itself since the proof is stopped as the process that its pid file names now', async () => {
    const clock = new ManualClock(undefined, new Date());
    const stopper = stopperOf({ pidFile }, clock);
    const first = await appWithFile('hangs');
    const proof = await provenBy(stopper);
    const second = await app('hangs');
    process.kill(first.pid, 'SIGKILL');
    await first.gone;
    // For an instant its file still names the one that has ended.
    const stopping = stopper.stop(proof, never);
    await clock.armed();
    await writeFile(pidFile, `${second.pid}\n`);
    expect(await driven(clock, stopping)).toEqual({ how: 'TERM', warnings: [] });
    await second.gone;
  });

  test('another process that has come into the file since the proof is not touched', async () => {
    const stopper = stopperOf({ pidFile });
    const proven = await appWithFile('hangs');
    const proof = await provenBy(stopper);
    const other = await appWithFile('hangs');
    expect(await stopper.stop(proof, never)).toEqual({ how: 'TERM', warnings: [] });
    await proven.gone;
    expect(processStatus(other.pid, startTimeOf(other.pid) ?? '')).toBe('alive');
  });

  test('a pid that belongs to another process by now is not touched, and its own process is gone', async () => {
    const other = await app('hangs');
    const startTime = startTimeOf(other.pid) ?? '';
    const proof = { pid: other.pid, startTime: String(Number(startTime) - 1) };
    const stopper = stopperOf({ pid: other.pid });
    expect(stopper.gone(proof)).toBe('gone');
    expect(await stopper.stop(proof, never)).toEqual({ how: 'gone', warnings: [] });
    expect(processStatus(other.pid, startTime)).toBe('alive');
  });

  test('a zombie is not running', async () => {
    const zombie = await makeZombie();
    try {
      await writeFile(pidFile, String(zombie.pid));
      const error = await refusalOf(() => stopperOf({ pidFile }).check(never));
      expect(error.message).toContain(`process ${zombie.pid} (${pidFile}) is not running`);
      const proof = { pid: zombie.pid, startTime: startTimeOf(zombie.pid) ?? '' };
      expect(await stopperOf({ pidFile }).stop(proof, never)).toMatchObject({ how: 'gone' });
    } finally {
      await zombie.bury();
    }
  });

  test('without a proof no process is signalled', async () => {
    const other = await appWithFile('hangs');
    const error = await refusalOf(() => stopperOf({ pidFile }).stop(null, never));
    expect(error.code).toBe('app-stop');
    expect(processStatus(other.pid, startTimeOf(other.pid) ?? '')).toBe('alive');
  });

  test('a process that /proc does not show is neither proven nor signalled', async () => {
    // 0 is the number that kill(2) knows (our own group) and /proc never shows.
    const error = await refusalOf(() => stopperOf({}).stop({ pid: 0, startTime: '1' }, never));
    expect(error.message).toContain('/proc does not show it');
    expect(stopperOf({}).gone({ pid: 0, startTime: '1' })).toBe('unknown');
  });

  test('the group of the process is left alone', async () => {
    spawnQuiet(fixture('keeps-a-worker', roll.port));
    const [one, other] = [await roll.next(), await roll.next()];
    const [master, worker] = one.note === 'master' ? [one, other] : [other, one];
    const stopper = stopperOf({ pid: master.pid });
    await stopper.stop(await provenBy(stopper), never);
    await master.gone;
    expect(processStatus(worker.pid, startTimeOf(worker.pid) ?? '')).toBe('alive');
  });
});

describe('a process', () => {
  test('that is not ours to signal is refused beforehand', async () => {
    if (process.getuid?.() !== 0) return skipped('only root has a second user to ask as');
    const { pid } = await app('hangs');
    const [program = '', ...args] = fixture('asks-as-nobody', pid);
    expect(execFileSync(program, args, { encoding: 'utf8' })).toBe(
      `app-stop not allowed to signal process ${pid} (EPERM)\n`,
    );
  });

  test('that ignores the signal is killed when its time is up, and the result says so', async () => {
    const clock = new ManualClock(undefined, new Date());
    const present = await app('ignores-term');
    const stopper = stopperOf({ killAfterMs: 30_000, pid: present.pid }, clock);
    const proof = await provenBy(stopper);
    const stopping = stopper.stop(proof, never);
    await clock.armed();
    clock.advance(29_999);
    await clock.armed();
    expect(stopper.gone(proof)).toBe('alive');
    clock.advance(1);
    await present.gone;
    expect(await driven(clock, stopping)).toEqual({
      how: 'KILL',
      warnings: ['the application did not end within 30 s of SIGTERM and was killed'],
    });
    expect(stopper.gone(proof)).toBe('gone');
  });

  test('that is frozen is killed when its time is up', async () => {
    const clock = new ManualClock(undefined, new Date());
    const present = await app('hangs');
    process.kill(present.pid, 'SIGSTOP');
    const stopper = stopperOf({ pid: present.pid }, clock);
    const stopping = stopper.stop(await provenBy(stopper), never);
    await clock.armed();
    clock.advance(30_000);
    await present.gone;
    expect(await driven(clock, stopping)).toMatchObject({ how: 'KILL' });
  });

  test('is given the signal of the configuration', async () => {
    const present = await app('ignores-term');
    const stopper = stopperOf({ pid: present.pid, name: 'SIGQUIT' });
    expect(await stopper.stop(await provenBy(stopper), never)).toEqual({ how: 'QUIT', warnings: [] });
    await present.gone;
  });

  test('is waited for no longer once the stop is aborted, and is not killed', async () => {
    const clock = new ManualClock(undefined, new Date());
    const present = await app('ignores-term');
    const stopper = stopperOf({ pid: present.pid }, clock);
    const proof = await provenBy(stopper);
    const abort = new AbortController();
    const stopping = stopper.stop(proof, abort.signal);
    await clock.armed();
    const reason = new LastcallError('cancelled', 'not wanted any more');
    abort.abort(reason);
    await expect(stopping).rejects.toBe(reason);
    expect(clock.pending).toBe(0);
    expect(stopper.gone(proof)).toBe('alive');
  });

  test('may be signalled once more after a crash', () => {
    expect(stopperOf({ pid: 2 }).isIdempotent).toBe(true);
  });
});
