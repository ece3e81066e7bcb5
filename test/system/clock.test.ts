import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { realClock } from '../../agent/system/clock.ts';

/** Writes a line a moment after it has begun, and ends with its input. */
const PEER = `process.stdin.resume(); console.log('asked'); setTimeout(() => console.log('answered'), 200);`;

test('what has arrived while the process stood still comes before a deadline that has passed meanwhile', async () => {
  const peer = spawn(process.execPath, ['-e', PEER], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(peer, 'exit');
  await once(peer.stdout, 'data');
  const outcome = new Promise<string>((resolve) => {
    const cancel = realClock.after(1_000, () => resolve('late'));
    peer.stdout.once('data', (piece: Buffer) => {
      cancel();
      resolve(piece.toString());
    });
  });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
  expect(await outcome).toBe('answered\n');
  peer.stdin.end();
  await ended;
});

test('a deadline that was cancelled by another one of the same moment is not run', async () => {
  const run: string[] = [];
  await new Promise<void>((resolve) => {
    realClock.after(1, () => {
      run.push('first');
      cancel();
      setImmediate(resolve);
    });
    const cancel = realClock.after(1, () => run.push('second'));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  });
  expect(run).toEqual(['first']);
});
