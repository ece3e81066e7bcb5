import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { LASTCALL } from '../support/cli.ts';
import { objectOf } from '../support/one-object.ts';
import { openScriptedSidecar, type ScriptedSidecar } from '../support/scripted-sidecar.ts';

// What becomes of the output of a command whose reader is slow, or has gone.

let sidecar: ScriptedSidecar;
beforeEach(async () => {
  sidecar = await openScriptedSidecar();
});
afterEach(() => sidecar.close());

/** More than a pipe holds. */
const LONG = 'x'.repeat(500_000);
/** A process that has nothing left to do is killed after two seconds. */
const LONGER_THAN_A_PROCESS_LIVES_MS = 2_500;

test('a reader that pauses gets the whole of a long result', async () => {
  const child = spawn(process.execPath, [LASTCALL, '--socket', sidecar.socket, 'drain', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await sidecar.service.submitted(1);
  sidecar.service.finish('done', { warnings: [LONG] });
  await once(child.stdout, 'readable');
  await sleep(LONGER_THAN_A_PROCESS_LIVES_MS);
  expect(objectOf(await text(child.stdout))).toMatchObject({ warnings: [LONG] });
  expect(await ended).toEqual([0, null]);
});

test('a reader of the errors that has gone changes no exit code', async () => {
  const child = spawn(process.execPath, [LASTCALL, 'no-such-verb'], { stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.destroy();
  expect(await once(child, 'exit')).toEqual([64, null]);
});
