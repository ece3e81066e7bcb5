import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmod, chown, lchown, link, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createStopper } from '../../agent/app/create.ts';
import type { Stopper } from '../../agent/app/contracts.ts';
import { realClock } from '../../agent/system/clock.ts';
import { naming } from '../support/naming.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { provenBy } from '../support/proven.ts';
import { fixture, openRollCall, type Present, type RollCall } from '../support/fixture-reports.ts';
import { skipped } from '../support/skip.ts';
import { spawnQuiet } from '../support/spawn-quiet.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** A pid file is an order to signal a process: it counts only from a user who could also signal it directly. */

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
let roll: RollCall;
let dir: TempDir;
/** A directory in which uid 65534 may write. */
let theirs: string;
beforeEach(async () => {
  roll = await openRollCall();
  dir = await makeTempDir();
  await chmod(dir.path, 0o755);
  theirs = join(dir.path, 'theirs');
  await mkdir(theirs);
  if (isRoot) await chown(theirs, NOBODY, NOBODY);
});
afterEach(async () => {
  await roll.close();
  await dir.remove();
});

const stopperOf = (pidFile: string): Stopper =>
  createStopper(
    { kind: 'signal', name: 'SIGTERM', pidFile, pid: null, killAfterMs: 30_000 },
    { ...naming(realClock), searchPath: undefined },
  );

async function ours(): Promise<Present> {
  spawnQuiet(fixture('hangs', roll.port));
  return roll.next();
}

async function nobodys(): Promise<Present> {
  const who = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'];
  spawn('setpriv', [...who, ...fixture('hangs', roll.port)], { stdio: 'ignore', detached: true }).unref();
  return roll.next();
}

async function written(path: string, pid: number, owner: number, mode = 0o644): Promise<string> {
  await writeFile(path, `${pid}\n`);
  await chmod(path, mode);
  await chown(path, owner, owner);
  return path;
}

const refusal = async (path: string): Promise<string> =>
  (await refusalOf(() => stopperOf(path).check(never))).message;

describe('A pid file of another user', () => {
  test('names no process of ours, and does name one of that user', async () => {
    if (!isRoot) return skipped('only root may give files away');
    const [mine, his] = [await ours(), await nobodys()];
    const file = await written(join(theirs, 'mine.pid'), mine.pid, NOBODY);
    expect(await refusal(file)).toBe(
      `${file} was written by uid ${NOBODY}, and process ${mine.pid} belongs to uid 0`,
    );
    const own = await written(join(theirs, 'his.pid'), his.pid, NOBODY);
    expect(await provenBy(stopperOf(own))).toMatchObject({ pid: his.pid });
    const roots = await written(join(dir.path, 'root.pid'), his.pid, 0);
    expect(await provenBy(stopperOf(roots))).toMatchObject({ pid: his.pid });
  });

  test('by a link of that user to a file of root: refused; by one of root: believed', async () => {
    if (!isRoot) return skipped('only root may give files away');
    const mine = await ours();
    const file = await written(join(dir.path, 'root.pid'), mine.pid, 0, 0o600);
    const [his, roots] = [join(theirs, 'his.pid'), join(dir.path, 'link.pid')];
    await symlink(file, his);
    await lchown(his, NOBODY, NOBODY);
    await symlink('root.pid', roots);
    expect(await refusal(his)).toContain(`was written by uid ${NOBODY}`);
    expect(await provenBy(stopperOf(roots))).toMatchObject({ pid: mine.pid });
  });

  test('which is another name, that user’s hard link, of a file of root', async () => {
    if (!isRoot) return skipped('only root may give files away');
    const mine = await ours();
    const file = await written(join(dir.path, 'root.pid'), mine.pid, 0, 0o600);
    await link(file, join(theirs, 'his.pid'));
    expect(await refusal(join(theirs, 'his.pid'))).toContain('is not believed: it has 2 names (hard links)');
    expect(stopperOf(join(theirs, 'his.pid')).gone(null)).toBe('unknown');
  });

  test('by that user’s link that leads to the directory of another application', async () => {
    if (!isRoot) return skipped('only root may give files away');
    const mine = await ours();
    await mkdir(join(dir.path, 'other'));
    await written(join(dir.path, 'other', 'app.pid'), mine.pid, 0);
    await symlink(join(dir.path, 'other'), join(theirs, 'run'));
    await lchown(join(theirs, 'run'), NOBODY, NOBODY);
    expect(await refusal(join(theirs, 'run', 'app.pid'))).toContain(`was written by uid ${NOBODY}`);
  });

  test('does not show that an application is gone, but in a directory of that user', async () => {
    if (!isRoot) return skipped('only root may give files away');
    const left = await ours();
    process.kill(left.pid, 'SIGKILL');
    await left.gone;
    const file = await written(join(dir.path, 'app.pid'), left.pid, NOBODY);
    expect(stopperOf(file).gone(null)).toBe('unknown');
    expect(stopperOf(await written(join(theirs, 'app.pid'), left.pid, NOBODY)).gone(null)).toBe('gone');
    expect(stopperOf(await written(join(dir.path, 'root.pid'), left.pid, 0)).gone(null)).toBe('gone');
  });
});

test.each([
  [0o646, 'every user may write to it'],
  [0o664, 'its group may write to it'],
])('a pid file of mode %o is refused', async (mode, why) => {
  const mine = await ours();
  const file = await written(join(dir.path, 'app.pid'), mine.pid, process.getuid?.() ?? 0, mode);
  expect(await refusal(file)).toContain(why);
  expect(stopperOf(file).gone(null)).toBe('unknown');
});

test('the number of a thread is no process, and our parent is no application', async () => {
  const mine = await ours();
  const thread = (await readdir(`/proc/${mine.pid}/task`)).map(Number).find((id) => id !== mine.pid) ?? 0;
  const file = await written(join(dir.path, 'app.pid'), thread, process.getuid?.() ?? 0);
  expect(await refusal(file)).toBe(
    `${file} names ${thread}, which is a thread of process ${mine.pid}, and no process`,
  );
  await writeFile(file, `${process.ppid}\n`);
  expect(await refusal(file)).toContain('which has started lastcall');
});
