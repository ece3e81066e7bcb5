import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  processStatus,
  checkExecutable,
  groupLives,
  isRunning,
  inspectProcess,
  parseStat,
  startedAt,
  startTimeOf,
} from '../../agent/system/process.ts';
import { groupMembers } from '../support/group-members.ts';
import { fixture } from '../support/fixture-reports.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';
import { makeZombie } from '../support/zombie.ts';

/** A real line, with another name in the parentheses. */
const line = (name: string, state = 'S', threads = 1): string =>
  `4711 (${name}) ${state} 1 4700 4700 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 ${threads} 0 96985 3133440 412 184`;

describe('/proc/PID/stat', () => {
  test.each(['java', 'tmux: server', 'a) Z 1 (b', ') R 2 3', '(((', 'x\ny'])(
    'is read past the name %j',
    (name) => {
      expect(parseStat(line(name))).toEqual({
        state: 'S',
        parent: 1,
        group: 4700,
        threads: 1,
        startTime: '96985',
      });
    },
  );

  test.each(['', '\0\0\0', '4711 (java)', '4711 (java) S 1 2', 'no process'])(
    'is nothing when it says %j',
    (text) => {
      expect(parseStat(text)).toBeNull();
    },
  );

  test('shows a zombie as dead, but not one whose other threads still run', () => {
    const living = (state: string, threads: number): boolean => {
      const stat = parseStat(line('java', state, threads));
      if (stat === null) throw new Error('not read');
      return isRunning(stat);
    };
    expect(living('Z', 1)).toBe(false);
    expect(living('X', 1)).toBe(false);
    expect(living('x', 0)).toBe(false);
    expect(living('Z', 12)).toBe(true);
    expect(living('T', 1)).toBe(true);
    expect(living('D', 1)).toBe(true);
  });
});

describe('a process', () => {
  test('keeps its start time, and another one has another', async () => {
    const child = spawn('sleep', ['1000']);
    try {
      const own = startTimeOf(process.pid);
      expect(own).toMatch(/^\d+$/);
      expect(startTimeOf(process.pid)).toBe(own);
      expect(startTimeOf(child.pid ?? 0)).not.toBe(own);
      expect(startedAt(own ?? '')).toBeLessThan(startedAt(startTimeOf(child.pid ?? 0) ?? ''));
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  test('is alive only under its own start time, and gone once it has ended', async () => {
    const child = spawn('sleep', ['1000']);
    const pid = child.pid ?? 0;
    const startTime = startTimeOf(pid) ?? '';
    expect(processStatus(pid, startTime)).toBe('alive');
    expect(processStatus(pid, `${startTime}0`)).toBe('gone');
    child.kill('SIGSTOP');
    expect(processStatus(pid, startTime)).toBe('alive');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(processStatus(pid, startTime)).toBe('gone');
    expect(startTimeOf(pid)).toBeNull();
  });

  test('of another user is alive', () => {
    // As root init is ours to signal, as any other user it is not (EPERM): it lives either way.
    expect(processStatus(1, startTimeOf(1) ?? '')).toBe('alive');
  });

  test('is gone as a zombie, and a group is gone of which nothing else is left', async () => {
    const zombie = await makeZombie();
    try {
      expect(groupMembers(zombie.pid)).toEqual([]);
      expect(groupLives(zombie.pid)).toBe(false);
      const startTime = startTimeOf(zombie.pid) ?? '';
      expect(startTime).toMatch(/^\d+$/);
      expect(processStatus(zombie.pid, startTime)).toBe('gone');
    } finally {
      await zombie.bury();
    }
  });

  test('that kill(2) knows and /proc does not show is unknown, and never gone', () => {
    // The one such number that is always there: 0 means our own process group to kill(2).
    expect(inspectProcess(0)).toBe('hidden');
    expect(processStatus(0, '1')).toBe('unknown');
    expect(startTimeOf(0)).toBeNull();
  });

  test('belongs to its group until it has ended', async () => {
    const child = spawn('sh', ['-c', 'sleep 1000 & exec sleep 1000'], { detached: true });
    const group = child.pid ?? 0;
    await until('two in the group', () => groupMembers(group).length === 2);
    expect(groupMembers(group)).toContain(group);
    expect(groupLives(group)).toBe(true);
    process.kill(-group, 'SIGKILL');
    await once(child, 'exit');
    await until('nobody in the group', () => !groupLives(group));
  });

  test('belongs to it also where each ends as soon as it has started the next one', async () => {
    const dir = await makeTempDir();
    const script = join(dir.path, 'chain');
    await writeFile(script, '#!/bin/sh\n"$0" &\n', { mode: 0o755 });
    const child = spawn(script, { detached: true, stdio: 'ignore' });
    const group = child.pid ?? 0;
    try {
      await once(child, 'exit');
      const looks = Array.from({ length: 30 }, () => groupLives(group));
      expect(looks).not.toContain(false);
    } finally {
      process.kill(-group, 'SIGKILL');
      await until('nobody in the group', () => !groupLives(group));
      await dir.remove();
    }
  });

  test('was started when it was, also for one that itself took seconds from its fork to its first line', async () => {
    const tellsAge = fixture('tells-age');
    const { stdout } = await promisify(execFile)('sh', ['-c', 'sleep 3; exec "$@"', 'sh', ...tellsAge]);
    const { before, startedAt: started, after } = JSON.parse(stdout) as Record<string, number>;
    // A tick is 10 ms, and node's threads come a moment after its clock.
    expect(started).toBeGreaterThan(Number(before) - 2_000);
    expect(started).toBeLessThan(Number(after) + 1_000);
  });
});

describe('a program', () => {
  let dir: TempDir;
  let plain: string;
  let runnable: string;
  beforeAll(async () => {
    dir = await makeTempDir();
    plain = join(dir.path, 'plain');
    runnable = join(dir.path, 'runnable');
    await writeFile(plain, '');
    await writeFile(runnable, '');
    await chmod(runnable, 0o755);
    await mkdir(join(dir.path, 'folder'));
  });
  afterAll(() => dir.remove());

  test('can run when it is an executable file, by its path or by PATH', () => {
    expect(checkExecutable(runnable, undefined)).toBeNull();
    expect(checkExecutable('runnable', `/nowhere:${dir.path}`)).toBeNull();
    expect(checkExecutable('sh', undefined)).toBeNull();
  });

  test('cannot run when it is missing, a folder, not executable, or not in PATH', () => {
    expect(checkExecutable(join(dir.path, 'missing'), undefined)).toContain('does not exist (ENOENT)');
    expect(checkExecutable(join(dir.path, 'folder'), undefined)).toContain('not a regular file');
    expect(checkExecutable(plain, undefined)).toContain('not executable for this user (EACCES)');
    expect(checkExecutable('plain', dir.path)).toContain('no executable file in PATH');
    expect(checkExecutable('runnable', '/nowhere')).toContain('no executable file in PATH');
    expect(checkExecutable('', dir.path)).toContain('empty');
  });
});
