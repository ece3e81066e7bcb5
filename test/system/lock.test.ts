import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { chmod, chown, link, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { realClock } from '../../agent/system/clock.ts';
import { lockNode } from '../../agent/system/lock.ts';
import { start } from '../support/cli.ts';
import { skipped } from '../support/skip.ts';
import { type TempDir, makeTempDir } from '../support/tempdir.ts';

const LOCK = new URL('../../dist/agent/system/lock.js', import.meta.url).href;
const CLOCK = new URL('../../dist/agent/system/clock.js', import.meta.url).href;

describe('The lock of a node', () => {
  let dir: TempDir;

  beforeEach(async () => {
    dir = await makeTempDir();
  });
  afterEach(() => dir.remove());

  test('is refused to a second sidecar, naming the node and the state file, and is free again after a release', async () => {
    const state = join(dir.path, 'app1.json');
    const lock = await lockNode('app1', state, realClock);
    await expect(lockNode('app1', state, realClock)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringMatching(new RegExp(`app1.*${state}`)),
    });
    await lock.release();
    await (await lockNode('app1', state, realClock)).release();
  });

  test('is another one for another state file', async () => {
    const one = await lockNode('app1', join(dir.path, 'app1.json'), realClock);
    const two = await lockNode('app2', join(dir.path, 'app2.json'), realClock);
    await one.release();
    await two.release();
  });

  test('sees through a symbolic link to the directory of a state file that does not exist yet', async () => {
    await mkdir(join(dir.path, 'real'));
    await symlink(join(dir.path, 'real'), join(dir.path, 'link'));
    const lock = await lockNode('app1', join(dir.path, 'real', 'app1.json'), realClock);
    await expect(lockNode('app1', join(dir.path, 'link', 'app1.json'), realClock)).rejects.toMatchObject({
      code: 'busy',
    });
    await lock.release();
  });

  test('ends with its process, even by kill -9', async () => {
    const state = join(dir.path, 'app1.json');
    const holder = start(process.execPath, holding(state, 'process.stdin.resume();'));
    await holder.said('held');
    await expect(lockNode('app1', state, realClock)).rejects.toMatchObject({ code: 'busy' });
    holder.child.kill('SIGKILL');
    await holder.outcome;
    await (await lockNode('app1', state, realClock)).release();
  });

  test('does not keep the process alive by itself', async () => {
    const state = join(dir.path, 'app1.json');
    expect(await start(process.execPath, holding(state)).outcome).toMatchObject({ code: 0, stdout: 'held' });
  });

  test('leaves one dead socket behind, and what was left by a start that was killed goes', async () => {
    const state = join(dir.path, 'app1.json');
    for (let round = 0; round < 3; round += 1) await (await lockNode('app1', state, realClock)).release();
    const left = createServer().listen(join(`${state}.lock`, 'new-left'));
    await once(left, 'listening');
    await link(join(`${state}.lock`, 'new-left'), join(`${state}.lock`, 'new-dead'));
    await new Promise((done) => left.close(done));
    await (await lockNode('app1', state, realClock)).release();
    expect(await readdir(`${state}.lock`)).toEqual(['4']);
    expect((await stat(`${state}.lock`)).mode & 0o777).toBe(0o700);
  });

  test('is had where the path is longer than a socket’s may be', async () => {
    const state = join(dir.path, 'x'.repeat(120), 'y'.repeat(120), 'app1.json');
    const lock = await lockNode('app1', state, realClock);
    await expect(lockNode('app1', state, realClock)).rejects.toMatchObject({ code: 'busy' });
    await lock.release();
  });

  test.each(['free', 'held by one that was killed'])(
    'of many that begin at once exactly one has it (%s)',
    async (how) => {
      for (let round = 0; round < 25; round += 1) {
        const state = join(dir.path, `app${round}.json`);
        if (how !== 'free') await (await lockNode('app1', state, realClock)).release();
        const tries = Array.from({ length: 8 }, () => lockNode('app1', state, realClock));
        const ends = await Promise.allSettled(tries);
        const held = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
        const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
        expect({ round, held: held.length }).toEqual({ round, held: 1 });
        for (const error of refused) expect(error).toMatchObject({ code: 'busy' });
        await held[0]?.release();
      }
    },
  );

  test('of many processes that begin at once exactly one has it', async () => {
    const state = join(dir.path, 'app1.json');
    await (await lockNode('app1', state, realClock)).release();
    const words = holding(state, 'await new Promise((done) => process.stdin.resume().on("end", done));');
    const all = Array.from({ length: 6 }, () => start(process.execPath, words));
    // A process that is refused ends by itself; the holder ends with its input.
    const first = await Promise.race(
      all.map(async (one) => (await one.said('held'), one)).map((one) => one.catch(never)),
    );
    const others = await Promise.all(all.filter((one) => one !== first).map(({ outcome }) => outcome));
    expect(others.map(({ stdout }) => stdout)).toEqual(others.map(() => 'busy'));
    first.child.stdin.end();
    expect((await first.outcome).stdout).toBe('held');
  });

  test('is seen from another network namespace', async () => {
    const state = join(dir.path, 'app1.json');
    const lock = await lockNode('app1', state, realClock);
    const { stdout, stderr } = await start('unshare', ['-n', process.execPath, ...holding(state)]).outcome;
    await lock.release();
    if (/unshare.*(?:failed|not permitted)/.test(stderr))
      return skipped(`no unshare here (${stderr.trim()})`);
    expect({ stdout, stderr }).toEqual({ stdout: 'busy', stderr: '' });
  });

  test('on a disk that is full or read-only is given with a warning, unless a process holds it', async () => {
    const mount = await start('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=8,mode=0700', 'none', dir.path])
      .outcome;
    if (mount.code !== 0) return skipped(`no mount here (${mount.stderr.trim()})`);
    const state = join(dir.path, 'app1.json');
    try {
      const lock = await lockNode('app1', state, realClock);
      expect(lock.warning).toBeNull();
      const fillers = Array.from({ length: 8 }, (_, n) => join(dir.path, `filler-${n}`));
      const filled = fillers.map((path) => writeFile(path, ''));
      expect((await Promise.allSettled(filled)).some(({ status }) => status === 'rejected')).toBe(true);
      await expect(lockNode('app1', state, realClock)).rejects.toMatchObject({ code: 'busy' });
      await lock.release();
      expect((await lockNode('app1', state, realClock)).warning).toContain('ENOSPC');
      for (const path of fillers) await rm(path, { force: true });
      const whole = await lockNode('app1', state, realClock);
      expect(whole.warning).toBeNull();
      await start('mount', ['-o', 'remount,ro', dir.path]).outcome;
      await expect(lockNode('app1', state, realClock)).rejects.toMatchObject({ code: 'busy' });
      await whole.release();
      expect((await lockNode('app1', state, realClock)).warning).toContain('EROFS');
    } finally {
      await start('umount', ['--lazy', dir.path]).outcome;
    }
  });

  test('cannot be taken by another user, neither free nor left behind, and what one has made is refused', async () => {
    if (process.getuid?.() !== 0) return skipped('only root may run a program as another user');
    const state = join(dir.path, 'app1.json');
    await chmod(dir.path, 0o755);
    const asNobody = async (): Promise<string> => {
      const words = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, ...holding(state)];
      return (await start('setpriv', words).outcome).stdout;
    };
    expect(await asNobody()).toBe('state-write');
    await (await lockNode('app1', state, realClock)).release();
    expect(await asNobody()).toBe('state-write');
    await (await lockNode('app1', state, realClock)).release();
    await rm(`${state}.lock`, { recursive: true });
    await mkdir(`${state}.lock`);
    await chown(`${state}.lock`, 65_534, 65_534);
    await expect(lockNode('app1', state, realClock)).rejects.toMatchObject({
      code: 'state-write',
      message: expect.stringContaining(`${state}.lock: it belongs to uid 65534`),
    });
  });
});

const never = (): Promise<never> => new Promise(() => undefined);

/** The source text of a program that takes the lock, prints `held` or the error's code, and goes on with `then`. */
function holding(state: string, then = ''): string[] {
  const program = `
    const { lockNode } = await import(${JSON.stringify(LOCK)});
    const { realClock } = await import(${JSON.stringify(CLOCK)});
    try {
      await lockNode('app1', ${JSON.stringify(state)}, realClock);
      process.stdout.write('held');
      ${then}
    } catch (error) {
      process.stdout.write(error.code);
    }`;
  return ['--input-type=module', '-e', program];
}
