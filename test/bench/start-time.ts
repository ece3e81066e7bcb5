import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { LASTCALL } from '../support/cli.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { median, round, type Figure } from './figures.ts';

const RUNS = 31;

/** `lastcall status` against `node -e 0`, in turns, so that a busy moment of the machine meets both. */
export async function startTime(sidecar: Sidecar): Promise<Figure[]> {
  const bare: number[] = [];
  const status: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    bare.push(await timed(['-e', '0']));
    status.push(await timed([LASTCALL, 'status', '--socket', sidecar.control]));
  }
  const [bareMs, statusMs] = [median(bare), median(status)];
  return [
    {
      name: 'lastcall status, compared with node -e 0',
      value: statusMs / bareMs,
      unit: 'x',
      limit: 2,
      how: `median of ${RUNS}: ${round(statusMs)} ms and ${round(bareMs)} ms`,
    },
  ];
}

/** Milliseconds from the spawn to the end of a node process. */
async function timed(args: readonly string[]): Promise<number> {
  const began = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${String(code)}`);
  return performance.now() - began;
}
