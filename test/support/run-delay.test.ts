import { afterEach, describe, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type DelaySeries, longestWait, mostWaited, watchRunDelay } from './run-delay.ts';
import { until } from './until.ts';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
});

/** A processor that this process may run on. */
const PROCESSOR = /^Cpus_allowed_list:\t(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';

/** A process that runs on that one alone. */
function onOneProcessor(idle: boolean, ...command: readonly string[]): ChildProcess {
  const child = spawn('taskset', ['-c', PROCESSOR, ...(idle ? ['chrt', '-i', '0'] : []), ...command], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  children.push(child);
  return child;
}

const BUSY = [process.execPath, '-e', 'for (;;);'];

describe('The run delay of the kernel', () => {
  test('grows for a process that is ready to run and has no processor', async () => {
    onOneProcessor(false, ...BUSY);
    const starved = onOneProcessor(true, ...BUSY);
    const fromMs = performance.now();
    const end = watchRunDelay(() => [{ name: 'starved', pid: starved.pid ?? 0 }]);
    // What it waited is seen when its turn comes.
    const seen = await until('it has waited', () => {
      const series = end().filter(({ name }) => name.startsWith('starved'));
      const wait = mostWaited(series, fromMs, performance.now());
      return wait !== null && wait.ms > 300 && wait;
    });
    expect(seen.name).toBe(`starved (${starved.pid})`);
  });

  test('does not grow for a process that was stopped, and not for one that sleeps', async () => {
    const asleep = onOneProcessor(false, 'sleep', '60');
    const echo = onOneProcessor(false, 'cat');
    echo.stdin?.write('begun\n');
    await once(echo.stdout as NonNullable<typeof echo.stdout>, 'data');
    const end = watchRunDelay(() =>
      [asleep, echo].map(({ pid }, at) => ({ name: `child ${at}`, pid: pid ?? 0 })),
    );
    echo.kill('SIGSTOP');
    const fromMs = performance.now();
    await until('it was stopped for a second', () => performance.now() > fromMs + 1_000);
    echo.kill('SIGCONT');
    echo.stdin?.write('ended\n');
    await once(echo.stdout as NonNullable<typeof echo.stdout>, 'data');
    const series = end().filter(({ name }) => name.startsWith('child'));
    expect(series).toHaveLength(2);
    expect(mostWaited(series, fromMs, performance.now())?.ms ?? 0).toBeLessThan(900);
  });

  test('of a process that has ended is not asked for', () => {
    const series = watchRunDelay(() => [{ name: 'gone', pid: 4_194_304, isThreaded: true }])();
    expect(series.filter(({ name }) => name.startsWith('gone'))).toEqual([]);
  });
});

describe('A wait', () => {
  const series = (name: string, ...looks: readonly (readonly [number, number])[]): DelaySeries => ({
    name,
    samples: looks.map(([atMs, waitedMs]) => ({ atMs, waitedMs })),
  });

  test('is as long as the kernel says, also where it began before the look before', () => {
    const one = series('one', [0, 50], [100, 50], [1_000, 950], [1_100, 1_000], [1_200, 1_000]);
    expect(longestWait([one], 0, 1_200)).toEqual({ name: 'one', ms: 950 });
    // Its end was seen at once, its beginning is 900 before.
    expect(longestWait([series('late', [0, 0], [900, 0], [910, 900])], 0, 2_000)).toEqual({
      name: 'late',
      ms: 900,
    });
  });

  test('is none of many short ones, and these count in all', () => {
    const looks = Array.from({ length: 101 }, (_none, at) => [at * 100, at * 50] as const);
    expect(longestWait([series('busy', ...looks)], 0, 10_000)).toBeNull();
    expect(mostWaited([series('busy', ...looks)], 0, 10_000)).toEqual({ name: 'busy', ms: 5_000 });
  });

  test('counts only within the time that is asked for', () => {
    const one = series('one', [0, 0], [1_000, 1_000], [1_100, 1_000], [3_000, 1_000], [3_100, 1_000]);
    expect(longestWait([one], 1_100, 3_100)).toBeNull();
    expect(mostWaited([one], 1_100, 3_100)).toBeNull();
    // The look after the end has what had been waited until then, and no more than that time.
    expect(longestWait([one], 0, 400)).toEqual({ name: 'one', ms: 400 });
    expect(longestWait([], 0, 400)).toBeNull();
  });

  test('is that of the one process that waited longest', () => {
    const [one, other] = [series('one', [0, 0], [500, 400]), series('other', [0, 0], [500, 450])];
    expect(longestWait([one, other], 0, 500)).toEqual({ name: 'other', ms: 450 });
    expect(mostWaited([one, other], 0, 500)).toEqual({ name: 'other', ms: 450 });
  });
});
