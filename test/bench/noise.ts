import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { median, percentile } from './figures.ts';

/** Some 4 ms of work each on a core of 2020. */
const LOOPS = 40;
const ADDITIONS = 12_000_000;
const STARTS = 12;

/** What the same work took, again and again, in milliseconds: on a quiet machine all are alike. */
export interface Steadiness {
  /** A fixed loop in this process. */
  readonly loop: readonly number[];
  /** `node -e 0`, from its start to its end. */
  readonly start: readonly number[];
}

/** Measures it; takes about a second. */
export async function steadiness(): Promise<Steadiness> {
  const loop: number[] = [];
  // One that the compiler has not seen yet takes longer, and says nothing of the machine.
  for (let run = 0; run < 3; run++) timeOfLoop();
  for (let run = 0; run < LOOPS; run++) loop.push(timeOfLoop());
  const start: number[] = [];
  for (let run = 0; run < STARTS; run++) start.push(await timeOfStart());
  return { loop, start };
}

/** How many times the median the slowest tenth took, of the worse of both works: 1 where all are alike. */
export function noiseOf(measured: readonly Steadiness[]): number {
  const works = [measured.flatMap(({ loop }) => loop), measured.flatMap(({ start }) => start)];
  return Math.max(...works.map((times) => percentile(times, 0.9) / median(times)));
}

function timeOfLoop(): number {
  const began = performance.now();
  let sum = 0;
  for (let number = 0; number < ADDITIONS; number++) sum = (sum + number) | 0;
  const ms = performance.now() - began;
  // Something has to depend on the sum, or the compiler leaves the loop out.
  if (sum === 1) throw new Error('the loop added wrongly');
  return ms;
}

async function timeOfStart(): Promise<number> {
  const began = performance.now();
  const child = spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' });
  await once(child, 'exit');
  return performance.now() - began;
}
