import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import type { Broken, Played, Range } from './range.ts';

/** Campaigns in processes of their own, built and outside of jest: two to three times as fast, and on each core. */

type PlayerLine = { readonly broken: Broken } | { readonly progress: number } | { readonly end: Played };

export interface Listeners {
  /** Now and then: how many have been played, and how many promises were broken. */
  readonly onProgress?: (campaigns: number, broken: number) => void;
  /** At once: a run that is cut off has reported what it found until then. */
  readonly onBroken?: (broken: Broken) => void;
}

/**
 * Plays the range in one process of the build.
 * @param build where `agent` and `test` are built: `dist`, or a mutated copy of it
 * @throws Error when the process ends before it has reported its end
 */
export async function playIn(
  build: string,
  range: Range,
  { onProgress = () => undefined, onBroken = () => undefined }: Listeners = {},
): Promise<{ played: Played; broken: Broken[] }> {
  const player = join(build, 'test/support/wide/player.js');
  const child = spawn(process.execPath, [player, JSON.stringify(range)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const broken: Broken[] = [];
  let played: Played | null = null;
  const ended = once(child, 'exit');
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as PlayerLine;
    if ('broken' in line) {
      broken.push(line.broken);
      onBroken(line.broken);
    } else if ('progress' in line) onProgress(line.progress, broken.length);
    else played = line.end;
  }
  const [code] = (await ended) as [number | null];
  if (played === null) throw new Error(`${player} ended with ${code} before it had told its end`);
  return { played, broken };
}

/**
 * Plays the range in so many processes at once, each with every so-manieth seed.
 * @param listeners as those of `playIn`, for all processes together
 */
export async function playOn(
  workers: number,
  build: string,
  range: Omit<Range, 'stride'>,
  { onProgress = () => undefined, onBroken }: Listeners = {},
): Promise<{ played: Played; broken: Broken[] }> {
  const done = Array.from({ length: workers }, () => ({ campaigns: 0, broken: 0 }));
  const report = (index: number, campaigns: number, broken: number): void => {
    done[index] = { campaigns, broken };
    onProgress(total(done.map((one) => one.campaigns)), total(done.map((one) => one.broken)));
  };
  const parts = await Promise.all(
    done.map((_, index) =>
      playIn(
        build,
        { ...range, first: range.first + index, stride: workers },
        {
          onProgress: (campaigns, broken) => report(index, campaigns, broken),
          ...(onBroken && { onBroken }),
        },
      ),
    ),
  );
  return {
    played: parts.map(({ played }) => played).reduce(sum),
    broken: parts.flatMap(({ broken }) => broken),
  };
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

function sum(one: Played, other: Played): Played {
  const met = { ...one.met };
  for (const [what, times] of Object.entries(other.met)) met[what] = (met[what] ?? 0) + times;
  return { campaigns: one.campaigns + other.campaigns, steps: one.steps + other.steps, met };
}
