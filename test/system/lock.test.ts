import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { lockNode } from '../../agent/system/lock.ts';
import { type TempDir, makeTempDir } from '../support/tempdir.ts';

const LOCK = new URL('../../dist/agent/system/lock.js', import.meta.url).href;

describe('The lock of a node', () => {
  let dir: TempDir;

  beforeEach(async () => {
    dir = await makeTempDir();
  });
  afterEach(() => dir.remove());

  test('is refused to a second sidecar, naming the node and the state file, and is free again after a release', async () => {
    const state = join(dir.path, 'app1.json');
    const lock = await lockNode('app1', state);
    await expect(lockNode('app1', state)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringMatching(new RegExp(`app1.*${state}`)),
    });
    await lock.release();
    await (await lockNode('app1', state)).release();
  });

  test('is another one for another state file', async () => {
    const one = await lockNode('app1', join(dir.path, 'app1.json'));
    const two = await lockNode('app2', join(dir.path, 'app2.json'));
    await one.release();
    await two.release();
  });

  test('sees through a symbolic link to the directory of a state file that does not exist yet', async () => {
    await mkdir(join(dir.path, 'real'));
    await symlink(join(dir.path, 'real'), join(dir.path, 'link'));
    const lock = await lockNode('app1', join(dir.path, 'real', 'app1.json'));
    await expect(lockNode('app1', join(dir.path, 'link', 'app1.json'))).rejects.toMatchObject({
      code: 'busy',
    });
    await lock.release();
  });

  test('ends with its process, even by kill -9, and leaves no file', async () => {
    const state = join(dir.path, 'app1.json');
    const program = `
      const { lockNode } = await import(${JSON.stringify(LOCK)});
      await lockNode('app1', ${JSON.stringify(state)});
      process.stdout.write('held');
      process.stdin.resume();`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    await expect(lockNode('app1', state)).rejects.toMatchObject({ code: 'busy' });
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await (await lockNode('app1', state)).release();
  });

  test('does not keep the process alive by itself', async () => {
    const program = `
      const { lockNode } = await import(${JSON.stringify(LOCK)});
      await lockNode('app1', ${JSON.stringify(join(dir.path, 'app1.json'))});`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
    expect(await once(holder, 'exit')).toEqual([0, null]);
  });
});
