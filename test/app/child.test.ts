import { describe, expect, test } from '@jest/globals';
import { LastcallError } from '../../agent/system/error.ts';
import { processStatus, startTimeOf } from '../../agent/system/process.ts';
import { stopperContract } from '../contract/stopper.ts';
import { driven } from '../support/driven.ts';
import { groupMembers } from '../support/group-members.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { provenBy } from '../support/proven.ts';
import { fixture } from '../support/fixture-reports.ts';
import { spawnQuiet } from '../support/spawn-quiet.ts';
import { until } from '../support/until.ts';
import { childOf, exited, exits, roll, started, startedWithWorker } from '../support/children.ts';

stopperContract('the parent of the process', {
  proves: true,
  running: async () => {
    const { child, app } = await started('hangs');
    return { app, stopper: child.stopper };
  },
  impossible: async () => childOf(fixture('hangs', roll.port)).stopper,
});

describe('the child', () => {
  test('runs in a process group of its own, and its proof is its pid and start time', async () => {
    const { child, app, proof } = await started('hangs');
    expect(child.proof).toEqual(proof);
    expect(groupMembers(app.pid)).toEqual([app.pid]);
  });

  test.each([0, 1, 7, 143])('that ends by itself with code %i tells it', async (code) => {
    await childOf(fixture('exits', code)).starter.start(never);
    expect(await exited).toEqual({ code, signal: null, asked: false });
  });

  test('that is killed tells the signal', async () => {
    const { child, app } = await started('hangs');
    process.kill(app.pid, 'SIGKILL');
    expect(await exited).toEqual({ code: null, signal: 'SIGKILL', asked: false });
    expect(child.proof).toBeNull();
    expect(await refusalOf(() => child.stopper.check(never))).toMatchObject({ code: 'app-stop' });
  });

  test('that is stopped tells its code, and that it was asked to, before the stop is over', async () => {
    const { child, proof } = await started('exits-slowly', [50, 5]);
    expect(await child.stopper.stop(proof, never)).toEqual({ how: 'TERM', warnings: [] });
    expect(exits).toEqual([{ code: 5, signal: null, asked: true }]);
  });

  test('that ignores the signal is killed when its time is up', async () => {
    const clock = new ManualClock();
    const { child, app, proof } = await started('ignores-term', [], clock);
    const stopping = child.stopper.stop(proof, never);
    clock.advance(29_999);
    expect(child.stopper.gone(proof)).toBe('alive');
    clock.advance(1);
    await app.gone;
    expect(await driven(clock, stopping)).toEqual({
      how: 'KILL',
      warnings: ['the application did not end within 30 s of SIGTERM and was killed'],
    });
    expect(exits).toEqual([{ code: null, signal: 'SIGKILL', asked: true }]);
  });

  test('takes its whole group with it when it is stopped', async () => {
    const clock = new ManualClock();
    const { child, master, worker } = await startedWithWorker(clock);
    const proof = await provenBy(child.stopper);
    const stopping = child.stopper.stop(proof, never);
    await master.gone;
    // Its worker may serve on, so the application is not gone yet.
    expect(child.stopper.gone(proof)).toBe('alive');
    expect(await driven(clock, stopping)).toMatchObject({ how: 'TERM' });
    await worker.gone;
    expect(child.stopper.gone(proof)).toBe('gone');
  });

  test('ends its whole group when it ends by itself, and reports its end only then', async () => {
    const clock = new ManualClock();
    const { master, worker } = await startedWithWorker(clock);
    process.kill(master.pid, 'SIGKILL');
    await master.gone;
    expect(exits).toEqual([]);
    expect(await driven(clock, exited)).toEqual({ code: null, signal: 'SIGKILL', asked: false });
    await worker.gone;
  });

  test('is started again after its stop, as another process', async () => {
    const { child, proof } = await started('hangs');
    await child.stopper.stop(proof, never);
    await child.starter.start(never);
    const second = await roll.next();
    expect(second.pid).not.toBe(proof.pid);
    expect(child.proof?.pid).toBe(second.pid);
    expect(await child.stopper.stop(proof, never)).toMatchObject({ how: 'gone' });
    expect(processStatus(second.pid, startTimeOf(second.pid) ?? '')).toBe('alive');
  });

  test('is not started twice', async () => {
    const { child, proof } = await started('hangs');
    await child.starter.start(never);
    expect(child.proof).toEqual(proof);
  });

  test('is not started again before the group of its predecessor has ended', async () => {
    const clock = new ManualClock();
    const { child, master, worker } = await startedWithWorker(clock);
    process.kill(master.pid, 'SIGKILL');
    await until('only the worker is left', () => groupMembers(master.pid).join() === String(worker.pid));
    await driven(clock, child.starter.start(never));
    await worker.gone;
    expect(exits).toHaveLength(1);
    expect(child.proof?.pid).not.toBe(master.pid);
    // Both of them, so that none is left behind.
    await roll.next();
    await roll.next();
  });

  test('that cannot be started is refused, beforehand and in the act', async () => {
    const child = childOf(['/nowhere/at/all']);
    for (const step of ['check', 'start'] as const) {
      const error = await refusalOf(() => child.starter[step](never));
      expect(error).toMatchObject({ code: 'app-health', target: '/nowhere/at/all' });
      expect(error.message).toContain('ENOENT');
    }
    expect(child.proof).toBeNull();
  });

  test('is passed signals, but only while it runs', async () => {
    const { child, app } = await started('exits-slowly', [0, 0]);
    expect(child.forward('SIGHUP')).toBe(true);
    expect(await roll.next()).toMatchObject({ pid: app.pid, note: 'SIGHUP' });
    process.kill(app.pid, 'SIGKILL');
    await exited;
    expect(child.forward('SIGHUP')).toBe(false);
  });

  test('runs on when its stop is aborted, and can be stopped later', async () => {
    const { child, app, proof } = await started('ignores-term');
    const abort = new AbortController();
    const reason = new LastcallError('cancelled', 'not wanted any more');
    const stopping = child.stopper.stop(proof, abort.signal);
    abort.abort(reason);
    await expect(stopping).rejects.toBe(reason);
    expect(child.stopper.gone(proof)).toBe('alive');
    process.kill(app.pid, 'SIGKILL');
    expect(await exited).toMatchObject({ signal: 'SIGKILL' });
  });

  test('under the pid of which another process runs by now is gone, and that one is not touched', async () => {
    const child = childOf(fixture('hangs', roll.port));
    spawnQuiet(fixture('hangs', roll.port));
    const other = await roll.next();
    const startTime = startTimeOf(other.pid) ?? '';
    const proof = { pid: other.pid, startTime: `${startTime}1` };
    expect(child.attach(proof)).toBe(false);
    expect(await child.stopper.stop(proof, never)).toMatchObject({ how: 'gone' });
    expect(processStatus(other.pid, startTime)).toBe('alive');
  });

  test('that is let go runs on', async () => {
    const { child, proof } = await started('hangs');
    child.release();
    expect(child.proof).toBeNull();
    expect(processStatus(proof.pid, proof.startTime)).toBe('alive');
  });
});
