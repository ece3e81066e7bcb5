import { afterEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { createPortHolder, type PortHolder } from '../../agent/app/port-holder.ts';
import type { Proof } from '../../agent/lifecycle/model/observation.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startTimeOf } from '../../agent/system/process.ts';
import { memoryLog } from '../support/memory-log.ts';
import { freePort } from '../support/ports.ts';
import { startStranger } from '../support/stranger.ts';
import { startStub } from '../support/stub-server.ts';

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
    `port ${port} is held by process ${process.pid} (node), which is not the application (it was perl, and that has ended)`,
  );
});

test('the same program is the application where nothing names another process, and else a stranger', async () => {
  const { port, holder, end } = await learned();
  await end();
  const second = await startStranger(port);
  endings.push(() => second.end());
  application = null;
  expect(await holder.strangerAt(never)).toBeNull();
  application = sleeper();
  expect(await holder.strangerAt(never)).toMatch(
    new RegExp(`^port ${port} is held by process ${second.pid} \\(perl\\).*that is process ${application}`),
  );
  application = second.pid;
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
