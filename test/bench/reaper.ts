import { rm } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../../agent/system/error.ts';
import { processesWith } from '../support/marked-processes.ts';

/*
 * reaper.js WORD DIR: waits for the end of its standard input, which comes when the benchmark has ended, in whatever way (SIGKILL,
 * too); then kills every process that has WORD in its environment, and removes DIR. Writes how many it has killed.
 */

/** What is not gone after so many rounds is stuck in the kernel. */
const ROUNDS = 200;
const PAUSE_MS = 10;
const [word = '', dir = ''] = process.argv.slice(2);
if (word.length < 16 || dir === '') throw new Error('reaper.js WORD DIR');

await text(process.stdin);
const killed = new Set<number>();
for (let round = 0; round < ROUNDS; round++) {
  const left = processesWith(word);
  if (left.length === 0) break;
  for (const pid of left) kill(pid);
  await sleep(PAUSE_MS);
}
await rm(dir, { recursive: true, force: true, maxRetries: 3 });
// The benchmark may have been killed, and its end of this pipe with it.
process.stdout.on('error', () => undefined).write(`${killed.size}\n`);

function kill(pid: number): void {
  killed.add(pid);
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
