import { rm } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { endProcessesWith } from './end-processes.ts';

/*
 * reaper.js WORD DIR: waits for the end of its standard input, which comes when the benchmark has ended, in whatever way (SIGKILL,
 * too); then kills every process that has WORD in its environment, and removes DIR. Writes how many it has killed.
 */

const [word = '', dir = ''] = process.argv.slice(2);
if (word.length < 16 || dir === '') throw new Error('reaper.js WORD DIR');

await text(process.stdin);
const killed = await endProcessesWith(word);
await rm(dir, { recursive: true, force: true, maxRetries: 3 });
// The benchmark may have been killed, and its end of this pipe with it.
process.stdout.on('error', () => undefined).write(`${killed}\n`);
