import { afterEach, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { processTable } from '../../agent/system/process-table.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

let child: ChildProcess | undefined;
let server: Server | undefined;
let dir: TempDir | undefined;
afterEach(async () => {
  child?.kill('SIGKILL');
  server?.close();
  await dir?.remove();
  child = undefined;
  server = undefined;
  dir = undefined;
});

test.each(['tcp', 'unix'])(
  'a process that waits for connections is known from one that does not: %s',
  async (kind) => {
    child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    expect(processTable.listens(child.pid as number)).toBe(false);
    server = createServer();
    if (kind === 'tcp') server.listen(0, '127.0.0.1');
    else {
      dir = await makeTempDir();
      server.listen(join(dir.path, 's.sock'));
    }
    await once(server, 'listening');
    expect(processTable.listens(process.pid)).toBe(true);
  },
);

test('of all processes those of one program are found, by the file name of the program', async () => {
  child = spawn('/bin/sleep', ['60']);
  await once(child, 'spawn');
  const found = processTable.running(/^sleep$/) ?? [];
  expect(found.find(({ pid }) => pid === child?.pid)).toMatchObject({
    parent: process.pid,
    command: ['/bin/sleep', '60'],
  });
  expect(found.map(({ pid }) => pid)).not.toContain(process.pid);
});

test('of a process that has gone it is not known', () => {
  expect(processTable.listens(2 ** 22 + 1)).toBeNull();
});
