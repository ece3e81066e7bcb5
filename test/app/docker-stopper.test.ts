import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { createStopper } from '../../agent/app/create.ts';
import type { Stopper } from '../../agent/app/contracts.ts';
import { realClock } from '../../agent/system/clock.ts';
import { stopperContract } from '../contract/stopper.ts';
import { type DockerEngine, startDockerEngine } from '../support/docker-engine.ts';
import { naming } from '../support/naming.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { provenBy } from '../support/proven.ts';
import { fixture, openRollCall, type Present, type RollCall } from '../support/fixture-reports.ts';
import { skipped } from '../support/skip.ts';
import { spawnQuiet } from '../support/spawn-quiet.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

let roll: RollCall;
let dir: TempDir;
let engine: DockerEngine;
beforeEach(async () => {
  roll = await openRollCall();
  dir = await makeTempDir();
  engine = await startDockerEngine(dir.path);
});
afterEach(async () => {
  await engine.stop();
  await roll.close();
  await dir.remove();
});

const stopperOf = (container: string, timeoutMs = 20_000, socket = engine.socket): Stopper =>
  createStopper(
    { kind: 'docker', container, socket, timeoutMs },
    { ...naming(realClock), searchPath: '/usr/bin:/bin' },
  );
const app = async (name = 'hangs', ...args: readonly (string | number)[]): Promise<Present> => {
  spawnQuiet(fixture(name, roll.port, ...args));
  const present = await roll.next();
  engine.run('app', present);
  return present;
};

stopperContract('the engine of its container', {
  proves: true,
  running: async () => {
    const running = await app('exits-slowly', 300, 0);
    const stopper = stopperOf('app');
    const proof = { pid: running.pid, startTime: expect.stringMatching(/^a+0 2026-/) as unknown as string };
    return { app: running, stopper, proof };
  },
  impossible: async () => stopperOf('other'),
});

describe('A stop of a container', () => {
  test('asks for its time-out in whole seconds, and tells that it had to be killed', async () => {
    await app('ignores-term');
    const stopper = stopperOf('app', 700);
    const outcome = await stopper.stop(await provenBy(stopper), never);
    expect(outcome).toEqual({ how: 'docker', warnings: [expect.stringContaining('killed it')] });
    expect(engine.asked).toContainEqual(expect.stringMatching(/^POST \/containers\/a+0\/stop\?t=1$/));
  });

  test('is not for the one that was started again under the same name', async () => {
    const first = await app();
    const stopper = stopperOf('app');
    const proof = await provenBy(stopper);
    process.kill(first.pid, 'SIGKILL');
    await first.gone;
    await app();
    const error = await refusalOf(() => stopper.stop(proof, never));
    expect(error.message).toContain('started again');
    expect(stopper.gone(proof)).toBe('gone');
    expect(engine.asked.some((one) => one.startsWith('POST'))).toBe(false);
  });

  test('that is gone with its container (--rm) is over', async () => {
    const running = await app();
    const stopper = stopperOf('app');
    const proof = await provenBy(stopper);
    process.kill(running.pid, 'SIGKILL');
    engine.remove('app');
    expect(await stopper.stop(proof, never)).toEqual({ how: 'gone', warnings: [] });
    expect(stopper.gone(proof)).toBe('gone');
  });

  test('may be asked for again by the next sidecar, which reads what it has come to', async () => {
    const running = await app();
    const proof = await provenBy(stopperOf('app'));
    const next = stopperOf('app');
    expect(next.isIdempotent).toBe(true);
    expect(next.gone(proof)).toBe('unknown');
    await next.rejoin?.(never);
    expect(next.gone(proof)).toBe('alive');
    process.kill(running.pid, 'SIGKILL');
    await running.gone;
    await next.rejoin?.(never);
    expect(next.gone(proof)).toBe('gone');
  });

  test('is seen to have ended by itself, and never while the engine does not answer', async () => {
    const running = await app();
    const stopper = stopperOf('app');
    const proof = await provenBy(stopper);
    engine.answerOnly(500);
    await until('the answer that is none is heard', () => {
      stopper.sight?.();
      return stopper.gone(proof) === 'unknown';
    });
    process.kill(running.pid, 'SIGKILL');
    engine.answerOnly(null);
    await until('its end is seen', () => {
      stopper.sight?.();
      return stopper.gone(proof) === 'gone';
    });
  });

  test.each([
    ['there is no container of that name', async () => stopperOf('nobody'), 'no such container'],
    [
      'nothing listens at the socket',
      async () => stopperOf('app', 1_000, join(dir.path, 'none.sock')),
      'none.sock',
    ],
    [
      'the engine does not know what it says',
      async () => {
        engine.answerOnly(500);
        return stopperOf('app');
      },
      'not understood',
    ],
  ])('is refused beforehand where %s', async (_what, make, says) => {
    const stopper = await make();
    const error = await refusalOf(() => stopper.check(never));
    expect(error).toMatchObject({ code: 'app-stop', next: expect.any(String) });
    expect(error.message).toContain(says);
    // Not taken for gone.
    expect(stopper.gone(null)).toBe('unknown');
  });

  test('of one that has ended is answered as ended', async () => {
    const running = await app();
    process.kill(running.pid, 'SIGKILL');
    await running.gone;
    const stopper = stopperOf('app');
    expect((await refusalOf(() => stopper.check(never))).message).toContain('not running');
    expect(stopper.gone(null)).toBe('gone');
  });
});

describe('A real engine', () => {
  const socket = '/var/run/docker.sock';
  const docker = (...words: readonly string[]): string =>
    execFileSync('docker', words, { encoding: 'utf8', timeout: 60_000, stdio: ['ignore', 'pipe', 'pipe'] });
  const why = ((): string | null => {
    try {
      return docker('image', 'ls', '-q').trim() === '' ? 'the engine has no image to run' : null;
    } catch {
      return 'no Docker engine answers here';
    }
  })();

  test('stops the container, and tells a second life from the first', async () => {
    if (why !== null) return skipped(why);
    const image = docker('image', 'ls', '-q').trim().split('\n')[0] ?? '';
    const id = docker('run', '-d', '--entrypoint', 'sleep', image, '300').trim();
    try {
      const stopper = stopperOf(id, 1_000, socket);
      const proof = await provenBy(stopper);
      expect(await stopper.stop(proof, never)).toMatchObject({ how: 'docker' });
      expect(stopper.gone(proof)).toBe('gone');
      docker('start', id);
      expect((await refusalOf(() => stopper.stop(proof, never))).message).toContain('started again');
    } finally {
      docker('rm', '-f', id);
    }
  });
});
