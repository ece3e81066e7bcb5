import { expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { Dimension } from '../support/wide/dimensions.ts';
import { playOn } from '../support/wide/farm.ts';
import type { Broken, Played } from '../support/wide/range.ts';
import { runs } from '../support/long.ts';
import { packageRoot } from '../support/sample.ts';

/**
 * `LASTCALL_SEED=42 npm run test:long -- wide-campaign` plays that one and prints what it breaks; `LASTCALL_DIMS=hold,joins`
 * takes these dimensions instead of those that the seed draws. Without them the seeds are new each time, and printed.
 * `LASTCALL_LONG=0.1`: a tenth as many.
 */
const SEED = process.env['LASTCALL_SEED'];
const DIMS = process.env['LASTCALL_DIMS'];
const FIRST = SEED === undefined ? Date.now() % 2 ** 30 : Number(SEED);
const CAMPAIGNS = SEED === undefined ? runs(100_000) : 1;
/** Processes: as many as the machine has cores that the project counts on. */
const WORKERS = 2;

const chosen = DIMS === undefined ? null : (DIMS.split(',').filter(Boolean) as Dimension[]);

/** So many campaigns lie between two lines of progress. */
const PRINTED_EVERY = 5_000;

test(`${CAMPAIGNS} random campaigns: no promise is broken`, async () => {
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  process.stdout.write(`wide campaign: seeds ${FIRST} to ${FIRST + CAMPAIGNS - 1} begin\n`);
  const range = {
    first: FIRST,
    last: FIRST + CAMPAIGNS - 1,
    dims: chosen,
    reports: SEED === undefined ? 1 : 99,
    untilBroken: false,
  };
  const { played, broken } = await playOn(WORKERS, join(packageRoot(), 'dist'), range, {
    onProgress: (campaigns, so) => {
      if (campaigns % PRINTED_EVERY === 0)
        process.stdout.write(`  ${campaigns} campaigns, ${so} broken promises, ${seconds().toFixed(0)} s\n`);
    },
    onBroken: ({ seed, rule, report }) => process.stdout.write(`  seed ${seed}: ${rule}\n${report ?? ''}\n`),
  });
  printSummary(played, broken, seconds());
  expect(broken.map(({ seed, rule, dims }) => `seed ${seed}: ${rule} (${dims.join('+')})`)).toEqual([]);
});

function printSummary({ campaigns, steps, met }: Played, broken: readonly Broken[], seconds: number): void {
  const rules = new Map<string, number>();
  for (const { rule } of broken) rules.set(rule, (rules.get(rule) ?? 0) + 1);
  const list = (all: Iterable<readonly [string, number]>): string =>
    [...all].map(([what, times]) => `${what} ${times}`).join(', ') || 'none';
  const of = (kind: string): string =>
    list(
      Object.entries(met)
        .filter(([what]) => what.startsWith(`${kind} `))
        .map(([what, times]): [string, number] => [what.slice(kind.length + 1), times])
        .toSorted(([, one], [, other]) => other - one),
    );
  process.stdout.write(`wide campaign: ${campaigns} campaigns, seeds ${FIRST} to ${FIRST + CAMPAIGNS - 1}, \
${seconds.toFixed(0)} s, ${(campaigns / seconds).toFixed(1)} a second, ${steps} steps, ${met['served'] ?? 0} requests served
  steps in phases: ${of('phase')}
  deeds: ${of('deed')}
  words: ${of('word')}
  results: ${of('code')}
  violations: ${list(rules)}
`);
}
