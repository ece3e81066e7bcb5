import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { examined } from '../support/doctor.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** Doctor asks the lock of the pool, and makes nothing there. */

let temp: TempDir;
beforeEach(async () => {
  temp = await makeTempDir();
});
afterEach(() => temp.remove());

const NODE = { balancers: [{ haproxy: 'unix:/nowhere/admin.sock', servers: ['app/app1'] }] };

async function foundWith(lock: object): Promise<readonly string[] | undefined> {
  const { found } = await examined(temp.path, { ...NODE, pool: { name: 'app', slots: 1 }, lock });
  return found['lock-unread'];
}

test('a directory of the nodes is fine, one that is not there yet too, and it is not made', async () => {
  const lock = { file: join(temp.path, 'lock') };
  expect(await foundWith(lock)).toBeUndefined();
  expect(await readdir(temp.path)).not.toContain('lock');
  await mkdir(lock.file, { mode: 0o770 });
  expect(await foundWith(lock)).toBeUndefined();
  expect(await readdir(lock.file)).toEqual([]);
});

test('a directory that every user may write to, and a file, are named', async () => {
  const lock = { file: join(temp.path, 'lock') };
  await mkdir(lock.file);
  await chmod(lock.file, 0o777);
  expect((await foundWith(lock))?.join()).toContain('every user may write to');
  const file = join(temp.path, 'file');
  await writeFile(file, '');
  expect((await foundWith({ file }))?.join()).toContain(file);
});

test('an etcd that does not answer is named', async () => {
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  expect((await foundWith({ etcd: { endpoints: [endpoint] } }))?.join()).toContain(endpoint);
});
