import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import type { Broken, Played, Range } from './range.ts';

/** Campaigns in processes of their own, built and outside of jest: two to three times as fast, and on each core. */

type PlayerLine = { readonly broken: Broken } | { readonly end: Played };

/**
 * Plays the range in one process of the build.
 * @param build where `agent` and `test` are built: `dist`, or a mutated copy of it
 * @throws Error when the process ends before it has reported its end
 */
export async function playIn(build: string, range: Range): Promise<{ played: Played; broken: Broken[] }> {
  const player = join(build, 'test/support/wide/player.js');
  const child = spawn(process.execPath, [player, JSON.stringify(range)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const broken: Broken[] = [];
  let played: Played | null = null;
  const ended = once(child, 'exit');
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as PlayerLine;
    if ('broken' in line) broken.push(line.broken);
    else played = line.end;
  }
  const [code] = (await ended) as [number | null];
  if (played === null) throw new Error(`${player} ended with ${code} before it had told its end`);
  return { played, broken };
}

/** Plays the range in so many processes at once, each with every so-manieth seed. */
export async function playOn(
  workers: number,
  build: string,
  range: Omit<Range, 'stride'>,
): Promise<{ played: Played; broken: Broken[] }> {
  const parts = await Promise.all(
    Array.from({ length: workers }, (_, index) =>
      playIn(build, { ...range, first: range.first + index, stride: workers }),
    ),
  );
  return {
    played: parts.map(({ played }) => played).reduce(sum),
    broken: parts.flatMap(({ broken }) => broken),
  };
}

function sum(one: Played, other: Played): Played {
  const met = { ...one.met };
  for (const [what, times] of Object.entries(other.met)) met[what] = (met[what] ?? 0) + times;
  return { campaigns: one.campaigns + other.campaigns, steps: one.steps + other.steps, met };
}
