import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { endingOf, runCommand, type CommandResult } from '../../agent/system/run-command.ts';
import { groupMembers } from '../support/group-members.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { fixture, openRollCall, type RollCall } from '../support/fixture-reports.ts';
import { driven } from '../support/driven.ts';
import { until } from '../support/until.ts';

let roll: RollCall;
beforeEach(async () => {
  roll = await openRollCall();
});
afterEach(() => roll.close());

const options = { timeoutMs: 30_000, maxOutputBytes: 4096 };
const run = (argv: readonly string[], more: Partial<typeof options> = {}): Promise<CommandResult> =>
  runCommand(argv, { ...options, ...more }, { clock: realClock, signal: never });

describe('a command', () => {
  test('is answered with its exit code and with its output', async () => {
    const result = await run(['sh', '-c', 'echo out; echo err >&2; exit 3']);
    expect(result).toMatchObject({
      exitCode: 3,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
      timedOut: false,
    });
    expect(result.truncated).toBe(false);
    expect(endingOf(result)).toBe('exit code 3: err');
  });

  test('is read to its last byte, which may still be in its pipe when its end is seen', async () => {
    const block = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    // Node sees the output and the end of this one together, reads the output first, and sees the end of the
    // command under test, which ends meanwhile, before it reads that one's output.
    const other = spawn('echo', ['now'], { stdio: ['ignore', 'pipe', 'ignore'] });
    other.stdout.once('data', () => block(400));
    const running = run(['sh', '-c', 'sleep 0.3; echo the last word']);
    await turn();
    block(150);
    expect((await running).stdout).toBe('the last word\n');
  });

  test('is answered with the signal that ended it', async () => {
    const result = await run(['sh', '-c', 'kill -USR1 $$']);
    expect(result).toMatchObject({ exitCode: null, signal: 'SIGUSR1' });
    expect(endingOf(result)).toBe('ended by SIGUSR1');
  });

  test('sees its arguments as they are, for no shell reads them', async () => {
    const result = await run(['printf', '%s|', '$HOME; rm *', '`id`', '', '"']);
    expect(result.stdout).toBe('$HOME; rm *|`id`||"|');
  });

  test('has nothing to read, and the environment that it is given', async () => {
    const argv = ['sh', '-c', 'cat; echo "$WORD"'];
    const ports = { clock: realClock, signal: never };
    const result = await runCommand(
      argv,
      { ...options, env: { WORD: 'given', PATH: '/usr/bin:/bin' } },
      ports,
    );
    expect(result.stdout).toBe('given\n');
  });

  test.each([
    ['is missing', ['/nowhere/at/all'], 'ENOENT'],
    ['is a folder', ['/tmp'], 'EACCES'],
    ['has a NUL in an argument', ['echo', 'a\0b'], 'ERR_INVALID_ARG_VALUE'],
    ['has no name', [''], 'ERR_INVALID_ARG_VALUE'],
  ])('that %s fails by name', async (_why, argv, code) => {
    const error = await refusalOf(() => run(argv));
    expect(error).toMatchObject({ code: 'failed', target: argv[0], elapsedMs: 0 });
    expect(error.message).toContain(code);
    expect(error.next).toContain('executable');
  });

  test('that prints 200 MB is read to its end and kept to its first bytes', async () => {
    const before = process.memoryUsage().rss;
    const result = await run(fixture('prints', 2e8));
    expect(result).toMatchObject({ exitCode: 0, truncated: true, stdout: 'x'.repeat(4096) });
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });

  test('that prints for ever is ended at its deadline', async () => {
    const clock = new ManualClock();
    const running = runCommand(fixture('prints', 'Infinity', roll.port), options, { clock, signal: never });
    await roll.next();
    clock.advance(options.timeoutMs);
    const result = await driven(clock, running);
    expect(result).toMatchObject({ exitCode: null, signal: 'SIGTERM', truncated: true, timedOut: true });
    expect(endingOf(result)).toContain('did not end within');
  });

  test('may leave a daemon behind, which holds neither the answer nor is ended, and whose output stays open', async () => {
    const result = await run(fixture('forks-away', roll.port, 'talk'));
    expect(result).toMatchObject({ exitCode: 0, timedOut: false });
    const daemon = await roll.next();
    process.kill(daemon.pid, 'SIGUSR2');
    expect(await roll.next()).toMatchObject({ pid: daemon.pid, note: 'wrote' });
  });

  test('that hangs is ended at its deadline with its whole group, also with processes that ignore SIGTERM', async () => {
    const clock = new ManualClock();
    const ports = { clock, signal: never };
    const running = runCommand(fixture('keeps-a-worker', roll.port), options, ports);
    const [one, other] = [await roll.next(), await roll.next()];
    const [master, worker] = one.note === 'master' ? [one, other] : [other, one];
    clock.advance(options.timeoutMs);
    await master.gone;
    await until('only the worker is left', () => groupMembers(master.pid).join() === String(worker.pid));
    // The grace is over, SIGKILL follows.
    await clock.armed();
    clock.advance(1_000);
    await worker.gone;
    expect(await driven(clock, running)).toMatchObject({ exitCode: 0, timedOut: true });
  });

  test('ends with its group when it is aborted, and the reason is the one that was given', async () => {
    const abort = new AbortController();
    const reason = new LastcallError('interrupted', 'somebody pressed Ctrl-C');
    const running = runCommand(fixture('hangs', roll.port), options, {
      clock: realClock,
      signal: abort.signal,
    });
    const present = await roll.next();
    abort.abort(reason);
    await expect(running).rejects.toBe(reason);
    await present.gone;
  });

  test('is not even started when it is aborted before', async () => {
    const reason = new LastcallError('interrupted', 'too late');
    const ports = { clock: realClock, signal: AbortSignal.abort(reason) };
    await expect(runCommand(['/nowhere/at/all'], options, ports)).rejects.toBe(reason);
  });

  test('writes where we write when its output is not to be kept', async () => {
    const ports = { clock: realClock, signal: never };
    const result = await runCommand(fixture('exits', 4), { timeoutMs: 30_000, maxOutputBytes: null }, ports);
    expect(result).toMatchObject({ exitCode: 4, stdout: '', stderr: '', truncated: false });
  });
});

describe('a command that is to go on when we end', () => {
  const launched = (onLaunched = async (): Promise<void> => undefined) => ({ ...options, onLaunched });

  test('is answered with its exit code and with its output, as any other', async () => {
    const ports = { clock: realClock, signal: never };
    const argv = ['sh', '-c', 'echo out; echo err >&2; exit 3'];
    const result = await runCommand(argv, launched(), ports);
    expect(result).toMatchObject({ exitCode: 3, stdout: 'out\n', stderr: 'err\n', truncated: false });
  });

  test('is left alone when it is aborted, once it is written down which process it is, and may say on', async () => {
    const abort = new AbortController();
    const reason = new LastcallError('interrupted', 'lastcall is ending');
    const noted: number[] = [];
    const note = async ({ pid }: { readonly pid: number }): Promise<void> => {
      await turn();
      noted.push(pid);
    };
    const ports = { clock: realClock, signal: abort.signal };
    const running = runCommand(fixture('forks-away', roll.port, 'talk'), launched(), ports);
    const daemon = await roll.next();
    await running;
    process.kill(daemon.pid, 'SIGUSR2');
    expect(await roll.next()).toMatchObject({ pid: daemon.pid, note: 'wrote' });

    const hanging = runCommand(fixture('hangs', roll.port), { ...options, onLaunched: note }, ports);
    const present = await roll.next();
    abort.abort(reason);
    await expect(hanging).rejects.toBe(reason);
    expect(noted).toEqual([present.pid]);
    expect(groupMembers(present.pid)).toEqual([present.pid]);
    process.kill(present.pid, 'SIGKILL');
    await present.gone;
  });

  test('that prints for ever takes no more space than is kept, and a second’s worth', async () => {
    const clock = new ManualClock();
    const ports = { clock, signal: never };
    const running = runCommand(fixture('prints', 'Infinity', roll.port), launched(), ports);
    await roll.next();
    clock.advance(options.timeoutMs);
    const result = await driven(clock, running);
    expect(result).toMatchObject({ timedOut: true, truncated: true, stdout: 'x'.repeat(4096) });
  });

  test('is ended at its deadline while we are there', async () => {
    const clock = new ManualClock();
    const running = runCommand(fixture('hangs', roll.port), launched(), { clock, signal: never });
    const present = await roll.next();
    clock.advance(options.timeoutMs);
    await present.gone;
    expect(await driven(clock, running)).toMatchObject({ timedOut: true });
  });
});
