import { afterEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createPortHolder, type PortHolder } from '../../agent/app/port-holder.ts';
import type { Proof } from '../../agent/lifecycle/model/observation.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startTimeOf } from '../../agent/system/process.ts';
import { memoryLog } from '../support/memory-log.ts';
import { freePort } from '../support/ports.ts';
import { startStranger } from '../support/stranger.ts';
import { startStub } from '../support/stub-server.ts';
import { makeTempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

// Who has the application's port: by real processes, named as a stopper names them.

const never = new AbortController().signal;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** The application as its stopper names it: null = its process has ended. */
let application: number | null = null;

function holderOf(port: number): PortHolder {
  const check = async (): Promise<Proof> => {
    if (application === null) throw new Error('it has ended');
    return { pid: application, startTime: startTimeOf(application) ?? '' };
  };
  return createPortHolder(port, { check }, { clock: realClock, log: memoryLog() });
}

function sleeper(): number {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  endings.push(() => child.kill('SIGKILL'));
  return child.pid ?? 0;
}

/** Perl has the port, and is the application. */
async function learned(): Promise<{
  readonly port: number;
  readonly holder: PortHolder;
  readonly end: () => Promise<void>;
}> {
  const port = await freePort();
  const app = await startStranger(port);
  endings.push(() => app.end());
  application = app.pid;
  const holder = holderOf(port);
  await holder.learn();
  expect(await holder.strangerAt(never)).toBeNull();
  return { port, holder, end: () => app.end() };
}

test('another program at the port is a stranger once the application has ended', async () => {
  const { port, holder, end } = await learned();
  await end();
  application = null;
  expect(await holder.strangerAt(never)).toBeNull();
  const stub = await startStub((_request, response) => void response.end(), port);
  endings.push(() => stub.stop());
  expect(await holder.strangerAt(never)).toBe(
    `port ${port} is held by process ${process.pid} (node), which is not the application (in service that was perl)`,
  );
});

test('a program that was at the port in service is the application, whatever process the stopper names', async () => {
  const { port, holder, end } = await learned();
  await end();
  const second = await startStranger(port);
  endings.push(() => second.end());
  for (const named of [null, sleeper(), second.pid]) {
    application = named;
    expect(await holder.strangerAt(never)).toBeNull();
  }
});

test('another program is the application where its process is the one that the stopper names', async () => {
  const { port, holder, end } = await learned();
  await end();
  const stub = await startStub((_request, response) => void response.end(), port);
  endings.push(() => stub.stop());
  application = null;
  expect(await holder.strangerAt(never)).toMatch(/is held by process/);
  application = process.pid;
  expect(await holder.strangerAt(never)).toBeNull();
});

test('a program that listens at the same port of another address in service makes no stranger of the application', async () => {
  const { port, holder, end } = await learned();
  const neighbour = createServer().listen(port, '127.0.0.2');
  await once(neighbour, 'listening');
  endings.push(() => neighbour.close());
  await holder.learn();
  await end();
  application = null;
  // Only the neighbour is there now: it was in service, too.
  expect(await holder.strangerAt(never)).toBeNull();
});

test('a new version of the program is the application', async () => {
  const dir = await makeTempDir();
  endings.push(() => dir.remove());
  const port = await freePort();
  const listener = `require('node:net').createServer().listen(${port}, '127.0.0.1', () => process.send('up'))`;
  const start = async (program: string): Promise<number> => {
    const path = join(dir.path, program);
    await copyFile(process.execPath, path);
    const child = spawn(path, ['-e', listener], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    });
    endings.push(() => child.kill('SIGKILL'));
    await once(child, 'message');
    return child.pid ?? 0;
  };
  application = await start('app-1.4.2');
  const holder = holderOf(port);
  await holder.learn();
  const ended = application;
  process.kill(ended, 'SIGKILL');
  await until('it has ended', () => startTimeOf(ended) === null);
  application = null;
  await start('app-1.5.0');
  expect(await holder.strangerAt(never)).toBeNull();
});

test('a port that a proxy has from the start shows nothing', async () => {
  const port = await freePort();
  const proxy = await startStranger(port);
  endings.push(() => proxy.end());
  application = sleeper();
  const holder = holderOf(port);
  await holder.learn();
  application = null;
  expect(await holder.strangerAt(never)).toBeNull();
});
