import { afterEach, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastcall } from '../support/cli.ts';
import { type HungDisk, mountHungDisk } from '../support/hung-disk.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

let temp: TempDir;
let disk: HungDisk | null = null;
afterEach(async () => {
  await disk?.release();
  disk = null;
  await temp.remove();
});

async function configAt(): Promise<string | null> {
  temp = await makeTempDir();
  const mount = join(temp.path, 'disk');
  disk = await mountHungDisk(mount);
  if (disk === null) return null;
  const file = join(temp.path, 'lastcall.yaml');
  const config = {
    node: 'app1',
    balancers: [{ haproxy: join(temp.path, 'haproxy.sock'), servers: ['app/app1'] }],
    listen: { control: join(temp.path, 'control.sock') },
    state: join(mount, 'app1.json'),
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

test.each([[[]], [['--', 'sleep', '60']]])(
  'a state file on a disk that does not answer: `run %s` ends with 73 and says which',
  async (command) => {
    const file = await configAt();
    if (file === null) return;
    const { code, signal, stderr } = await lastcall(['run', '-c', file, ...command]).outcome;
    expect({ code, signal }).toEqual({ code: 73, signal: null });
    expect(stderr).toContain('the state file cannot be read: its file system does not answer');
    expect(stderr).toContain(join(temp.path, 'disk', 'app1.json'));
  },
);

test('SIGTERM while it waits for that disk ends it at once', async () => {
  const file = await configAt();
  if (file === null) return;
  const { child, outcome } = lastcall(['run', '-c', file]);
  child.kill('SIGTERM');
  expect(await outcome).toMatchObject({ code: null, signal: 'SIGTERM' });
});
