import { existsSync } from 'node:fs';
import { waitedForProcessorMs } from './processor.ts';
import { round } from './figures.ts';

/** From so many percent of the time on, a process that waits for a processor does so because this machine is too small or too busy. */
export const STARVED_PERCENT = 25;
/** The same where nothing is measured but users at an even pace, as without a drain: 2 % on a quiet machine of two cores. */
export const STARVED_AT_REST_PERCENT = 10;

/** For how much of the time processes were ready to run and had no processor, in percent, by what they are called. */
export type Starvation = Readonly<Record<string, number>>;

/**
 * Begins to measure.
 * @param pids by what the process is called in the table
 * @returns what it was since then, of those that still run
 */
export function watchStarvation(pids: Readonly<Record<string, number>>): () => Starvation {
  const before = Object.entries(pids).map(([name, pid]) => ({ name, pid, ms: waitedForProcessorMs(pid) }));
  const began = performance.now();
  return () => {
    const tookMs = performance.now() - began;
    const alive = before.filter(({ pid }) => existsSync(`/proc/${pid}/task`));
    return Object.fromEntries(
      alive.map(({ name, pid, ms }) => [name, ((waitedForProcessorMs(pid) - ms) / tookMs) * 100]),
    );
  };
}

/**
 * For a figure's field `starved`: empty where none of these was at or over the limit.
 * @param during what was going on, as the row says it: `while a node drained`
 */
export function starvedIn(
  during: string,
  all: readonly Starvation[],
  limitPercent: number,
): { readonly starved?: string } {
  const [worst] = all.flatMap((one) => Object.entries(one)).toSorted(([, one], [, other]) => other - one);
  if (worst === undefined || worst[1] < limitPercent) return {};
  const [name, percent] = worst;
  return { starved: `${during} ${name} waited ${round(percent)} % of the time for a processor` };
}
