import { describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Proof } from '../../agent/lifecycle/model/observation.ts';
import { createStopper } from '../../agent/app/create.ts';
import { createRunningStopRecord } from '../../agent/app/running-stop-record.ts';
import type { Stopper } from '../../agent/app/contracts.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { processStatus, inspectProcess, startTimeOf } from '../../agent/system/process.ts';
import { stopperContract } from '../contract/stopper.ts';
import { driven } from '../support/driven.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { naming } from '../support/naming.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { provenBy } from '../support/proven.ts';
import { fixture, type Present } from '../support/fixture-reports.ts';
import { skipped } from '../support/skip.ts';
import { spawnQuiet } from '../support/spawn-quiet.ts';
import { until } from '../support/until.ts';
import { searchPath, withGone } from '../support/command-stopper.ts';
import { dir, pidFile, roll } from '../support/stopper-fixtures.ts';

const appWithFile = async (name: string, ...args: readonly (string | number)[]): Promise<Present> => {
  spawnQuiet(fixture(name, roll.port, ...args));
  const present = await roll.next();
  await writeFile(pidFile, `${present.pid}\n`);
  return present;
};

/** An application that listens on a port of its own, which is known once it runs. */
const listening = async (name = 'serves'): Promise<{ readonly app: Present; readonly port: number }> => {
  spawnQuiet(fixture(name, roll.port));
  const present = await roll.next();
  return { app: present, port: Number(present.note) };
};

stopperContract('a command, and a pid file that proves the end', {
  proves: true,
  running: async () => {
    const present = await appWithFile('exits-slowly', 500, 0);
    const command = ['sh', '-c', `kill ${present.pid} 2>/dev/null; true`];
    return { app: present, stopper: withGone(command, { kind: 'pidFile', path: pidFile }) };
  },
  impossible: async () => withGone(['no-such-program', 'stop'], { kind: 'pidFile', path: pidFile }),
});

stopperContract('a command, and a port that proves the end', {
  proves: true,
  running: async () => {
    const { app, port } = await listening();
    const command = ['sh', '-c', `kill ${app.pid} 2>/dev/null; true`];
    return { app, stopper: withGone(command, { kind: 'port', port }) };
  },
  impossible: async () => withGone(['no-such-program', 'stop'], { kind: 'port', port: 1 }),
});

describe('a stop command that returns before the application has ended', () => {
  test('is over when all that listened on the port have ended, the last one after its listener is closed', async () => {
    const { app: parent, port } = await listening('shares-port');
    const worker = await roll.next();
    const startTime = startTimeOf(worker.pid) ?? '';
    const stopper = withGone(['sh', '-c', `kill -9 ${parent.pid}`], { kind: 'port', port });
    const proof = await provenBy(stopper);
    const found = [proof?.pid, ...(proof?.others ?? []).map(({ pid }) => pid)];
    expect(new Set(found)).toEqual(new Set([parent.pid, worker.pid]));
    expect(await stopper.stop(proof, never)).toEqual({ how: 'command', warnings: [] });
    expect(processStatus(worker.pid, startTime)).toBe('gone');
    expect(stopper.gone(proof)).toBe('gone');
  });

  test('and lives on at the end of its time is named by its number', async () => {
    const clock = new ManualClock(undefined, new Date());
    const present = await appWithFile('ignores-term');
    const leader = `${pidFile}.leader`;
    const stopper = withGone(
      ['sh', '-c', `echo $$ >${leader}`],
      { kind: 'pidFile', path: pidFile },
      { clock },
    );
    const stopping = refusalOf(async () => stopper.stop(await provenBy(stopper), never));
    // The command has its own time on this clock: it has to be over before the clock moves.
    const pid = await until('the command has begun', async () => {
      const text = await readFile(leader, 'utf8').catch(() => '');
      return text.endsWith('\n') && text.trim();
    });
    await until('the command has ended', async () => !existsSync(`/proc/${pid}`));
    await clock.armed();
    const error = await driven(clock, stopping);
    expect(error).toMatchObject({ code: 'app-stop', target: `process ${present.pid}` });
    expect(error.message).toContain('has not ended');
  });

  test('is what the next sidecar waits for, the command and the application', async () => {
    const present = await appWithFile('ignores-term');
    let note: unknown = null;
    const noteFile = { load: async () => note, save: async (next: object) => void (note = next) };
    const ports = { clock: realClock, bootId: 'boot', onWarning: (text: string) => expect(text).toBe('') };
    const gone = { kind: 'pidFile', path: pidFile } as const;
    const first = withGone(['true'], gone, { stops: createRunningStopRecord(noteFile, ports) });
    const abort = new AbortController();
    const stopping = first.stop(await provenBy(first), abort.signal);
    stopping.catch(() => undefined);
    await until('the command is written down', () => note !== null && 'pid' in (note as object));
    abort.abort(new LastcallError('cancelled', 'the sidecar ends'));
    const second = withGone(['true'], gone, { stops: createRunningStopRecord(noteFile, ports) });
    let isOver = false;
    const rejoined = second.rejoin?.(never).then(() => (isOver = true));
    await until(
      'the command has ended',
      () => processStatus((note as Proof).pid, (note as Proof).startTime) === 'gone',
    );
    expect(isOver).toBe(false);
    process.kill(present.pid, 'SIGKILL');
    await rejoined;
  });
});

describe('a stop command of a sidecar that is killed before the disk holds which process it is', () => {
  test('is what the next sidecar waits for all the same: the application has its SIGTERM by then', async () => {
    const present = await appWithFile('ignores-term');
    const marker = join(dir.path, 'ran');
    let note: object | null = null;
    // As of a kill -9: what came to the disk after the launch is lost.
    const noteFile = {
      load: async () => note,
      save: async (next: object) => ('pid' in next ? new Promise<void>(() => undefined) : void (note = next)),
    };
    const gone = { kind: 'pidFile', path: pidFile } as const;
    const portsOf = (clock: Clock) => ({ clock, bootId: 'boot', onWarning: () => undefined });
    const first = withGone(['touch', marker], gone, {
      stops: createRunningStopRecord(noteFile, portsOf(realClock)),
    });
    const abort = new AbortController();
    const stopping = first.stop(await provenBy(first), abort.signal);
    stopping.catch(() => undefined);
    await until('the command has run', () => existsSync(marker));
    const clock = new ManualClock();
    const second = withGone(['true'], gone, {
      clock,
      stops: createRunningStopRecord(noteFile, portsOf(clock)),
    });
    const rejoined = second.rejoin?.(never).then(() => 'over');
    expect(await Promise.race([rejoined, clock.armed().then(() => 'waits')])).toBe('waits');
    process.kill(present.pid, 'SIGKILL');
    expect(await driven(clock, rejoined ?? Promise.reject(new Error('no rejoin')))).toBe('over');
    abort.abort(new LastcallError('cancelled', 'the sidecar ends'));
  });
});

describe('what cannot prove the end of the application', () => {
  test.each([
    ['a port on which nothing listens', { kind: 'port', port: 1 }, 'app-stop', 'nothing listens on port 1'],
    [
      'a pid file that is missing',
      { kind: 'pidFile', path: '/nowhere/at/all.pid' },
      'app-stop',
      'cannot be read',
    ],
  ] as const)('%s: says why, and the stop goes on with a warning', async (_what, gone, code, why) => {
    const stopper = withGone(['true'], gone);
    expect(await stopper.check(never)).toEqual({ code, unproven: expect.stringContaining(why) });
    const { warnings } = await stopper.stop(null, never);
    expect(warnings).toEqual([expect.stringMatching(new RegExp(`nothing proves.*${why}`))]);
  });

  test('a port whose owner is another user’s: it proves nothing, and says so', async () => {
    if (process.getuid?.() !== 0) return skipped('only root has a second user to ask as');
    const { port } = await listening();
    const [program = '', ...args] = fixture('finds-listeners-as-nobody', port);
    expect(JSON.parse(execFileSync(program, args, { encoding: 'utf8' }))).toEqual({
      kind: 'hidden',
      user: 0,
    });
  });

  test('a pid file of a process that has ended is no proof of life: the application counts as gone', async () => {
    const present = await appWithFile('hangs');
    process.kill(present.pid, 'SIGKILL');
    await present.gone;
    const stopper = withGone(['true'], { kind: 'pidFile', path: pidFile });
    expect((await refusalOf(() => stopper.check(never))).message).toContain('is not running');
    expect(stopper.gone(null)).toBe('gone');
  });
});

describe('what an unproven stop may leave', () => {
  test('is who listened at a port of the application before it, as long as it lives, also for the next sidecar', async () => {
    const { app: served, port } = await listening();
    let note: unknown = null;
    const noteFile = { load: async () => note, save: async (next: object) => void (note = next) };
    const ports = { clock: realClock, bootId: 'boot', onWarning: () => undefined };
    const stopper = (): Stopper =>
      createStopper(
        { kind: 'command', command: ['true'], timeoutMs: 30_000, gone: null, idempotent: false },
        {
          ...naming(realClock),
          searchPath,
          stops: createRunningStopRecord(noteFile, ports),
          appPorts: async () => [port],
        },
      );
    const first = stopper();
    expect(await first.remainingPids?.()).toEqual([]);
    const { warnings } = await first.stop(null, never);
    expect(warnings.join()).toContain('nothing proves');
    expect(await first.remainingPids?.()).toEqual([served.pid]);
    const next = stopper();
    expect(await next.remainingPids?.()).toEqual([served.pid]);
    process.kill(served.pid, 'SIGKILL');
    await served.gone;
    await until('it has ended', () => inspectProcess(served.pid) === 'gone');
    expect([await first.remainingPids?.(), await next.remainingPids?.()]).toEqual([[], []]);
  });
});
