import { afterAll, describe, expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Mutant, mutated, placesOf } from '../support/mutants/mutant.ts';
import { MUTANTS } from '../support/mutants/table.ts';
import { playIn } from '../support/wide/farm.ts';
import type { Broken, Range } from '../support/wide/range.ts';
import { runs } from '../support/long.ts';
import { packageRoot } from '../support/sample.ts';

/** So many random campaigns, with the same seeds for each mutant, may pass before one has to find it. */
const FIRST = 1;
const LAST = runs(10_000);
const told: string[] = [];

afterAll(() => void process.stdout.write(`mutants:\n${told.map((line) => `  ${line}\n`).join('')}`));

/** One fault in the lifecycle, looked for by random campaigns: by the mixes of `npm run test:long -- wide-campaign`, or with its own dimensions. */
describe('A fault in the lifecycle is found', () => {
  test.concurrent.each(MUTANTS)('$breaks: $name', async (mutant) => {
    expect(await placesOf(packageRoot(), mutant)).toBe(1);
    expect(await hunt(mutant)).not.toBeNull();
  });
});

/** The rule that finds it, or null. */
async function hunt(mutant: Mutant): Promise<string | null> {
  const { breaks, name, dims = null } = mutant;
  const from = performance.now();
  const build = await mutated(packageRoot(), mutant);
  try {
    const found = await firstBroken(build, dims);
    const by = found ? `${found.rule} (${found.invariant}), seed ${found.seed}` : 'NOT FOUND';
    const seconds = ((performance.now() - from) / 1000).toFixed(0);
    told.push(`${breaks}: ${name}: ${by} of ${dims?.join('+') ?? 'the mixes'}, ${seconds} s`);
    return found?.rule ?? null;
  } finally {
    await rm(build, { recursive: true, force: true });
  }
}

/** The first promise that the mutant breaks and the build without it keeps: a defect of both proves nothing. */
async function firstBroken(build: string, dims: Range['dims']): Promise<Broken | null> {
  for (let first = FIRST; first <= LAST;) {
    const [found] = await brokenIn(build, { first, last: LAST, dims });
    if (!found) return null;
    const alone = { first: found.seed, last: found.seed, dims };
    if ((await brokenIn(join(packageRoot(), 'dist'), alone)).length === 0) return found;
    first = found.seed + 1;
  }
  return null;
}

async function brokenIn(build: string, range: Pick<Range, 'first' | 'last' | 'dims'>): Promise<Broken[]> {
  return (await playIn(build, { ...range, stride: 1, reports: 0, untilBroken: true })).broken;
}
