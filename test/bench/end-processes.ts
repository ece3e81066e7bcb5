import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../../agent/system/error.ts';
import { processesWith } from '../support/marked-processes.ts';

/** What is not gone after so many rounds is stuck in the kernel. */
const ROUNDS = 200;
const PAUSE_MS = 10;

/**
 * Kills every process that has this text in its environment, but for our own, until none is left.
 * @returns how many it has killed
 */
export async function endProcessesWith(text: string): Promise<number> {
  const killed = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    const left = processesWith(text);
    if (left.length === 0) break;
    for (const pid of left) kill(pid);
    for (const pid of left) killed.add(pid);
    await sleep(PAUSE_MS);
  }
  return killed.size;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
