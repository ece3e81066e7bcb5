import { describe, expect, test } from '@jest/globals';
import { createStopper } from '../../agent/app/create.ts';
import { createStarter } from '../../agent/app/command-starter.ts';
import type { Starter, Stopper } from '../../agent/app/contracts.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { processStatus, startTimeOf } from '../../agent/system/process.ts';
import { stopperContract } from '../contract/stopper.ts';
import { driven } from '../support/driven.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { naming } from '../support/naming.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { fixture } from '../support/fixture-reports.ts';
import { spawnQuiet } from '../support/spawn-quiet.ts';
import { searchPath, withGone } from '../support/command-stopper.ts';
import { roll } from '../support/stopper-fixtures.ts';

const stopperOf = (command: readonly string[], clock: Clock = realClock): Stopper =>
  createStopper(
    { kind: 'command', command, timeoutMs: 30_000, gone: null, idempotent: false },
    { ...naming(clock), searchPath },
  );

const starterOf = (command: readonly string[], clock: Clock = realClock): Starter =>
  createStarter({ command, timeoutMs: 30_000 }, { clock, searchPath });

stopperContract('a command', {
  proves: false,
  running: async () => {
    spawnQuiet(fixture('hangs', roll.port));
    const app = await roll.next();
    // Like `systemctl stop`: ends what runs, and is content when nothing does.
    return { app, stopper: stopperOf(['sh', '-c', `kill ${app.pid} 2>/dev/null; true`]) };
  },
  impossible: async () => stopperOf(['no-such-program', 'stop']),
});

describe('a stop command', () => {
  test('that fails reports its exit code and what it printed', async () => {
    const error = await refusalOf(() =>
      stopperOf(fixture('exits', 3, 'Job failed.\nSee logs.')).stop(null, never),
    );
    expect(error).toMatchObject({ code: 'app-stop', next: expect.stringContaining('stop command') });
    expect(error.message).toBe('the stop command failed: exit code 3: Job failed. See logs.');
    expect(error.target).toContain('exits');
  });

  test('that hangs is ended at its deadline', async () => {
    const clock = new ManualClock(undefined, new Date());
    const stopping = refusalOf(() => stopperOf(fixture('hangs', roll.port), clock).stop(null, never));
    const command = await roll.next();
    clock.advance(30_000);
    await command.gone;
    expect(await driven(clock, stopping)).toMatchObject({
      code: 'app-stop',
      message: expect.stringContaining('did not end within'),
    });
  });

  test('that vanishes between check and stop fails with the name of the program', async () => {
    const error = await refusalOf(() => stopperOf(['/nowhere/at/all']).stop(null, never));
    expect(error).toMatchObject({ code: 'app-stop', message: expect.stringContaining('ENOENT') });
  });

  test('ends when it is aborted, with the reason', async () => {
    const reason = new LastcallError('cancelled', 'not wanted any more');
    const abort = new AbortController();
    const stopping = stopperOf(fixture('hangs', roll.port)).stop(null, abort.signal);
    const command = await roll.next();
    abort.abort(reason);
    await expect(stopping).rejects.toBe(reason);
    await command.gone;
  });

  test('is not sent once more after a crash, but where the operator says that it may', () => {
    expect(stopperOf(['true']).isIdempotent).toBe(false);
    const gone = { kind: 'port', port: 1 } as const;
    expect(withGone(['true'], gone).isIdempotent).toBe(false);
    expect(withGone(['true'], gone, { idempotent: true }).isIdempotent).toBe(true);
  });
});

describe('a start command', () => {
  test('may leave the application behind', async () => {
    const starter = starterOf(fixture('forks-away', roll.port));
    await starter.check(never);
    await starter.start(never);
    const app = await roll.next();
    expect(processStatus(app.pid, startTimeOf(app.pid) ?? '')).toBe('alive');
  });

  test('that is missing or not executable is refused beforehand', async () => {
    for (const program of ['no-such-program', '/nowhere/at/all', '/etc/passwd', '/tmp', '']) {
      const error = await refusalOf(() => starterOf([program]).check(never));
      expect(error).toMatchObject({ code: 'app-health', next: expect.stringContaining('start command') });
    }
  });

  test('that fails says its code', async () => {
    const error = await refusalOf(() => starterOf(fixture('exits', 5)).start(never));
    expect(error).toMatchObject({ code: 'app-health', message: 'the start command failed: exit code 5' });
  });

  test('that stays in the foreground is ended at its deadline', async () => {
    const clock = new ManualClock(undefined, new Date());
    const starting = refusalOf(() => starterOf(fixture('hangs', roll.port), clock).start(never));
    const command = await roll.next();
    clock.advance(30_000);
    await command.gone;
    expect(await driven(clock, starting)).toMatchObject({ code: 'app-health' });
  });
});
