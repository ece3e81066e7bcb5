import { afterAll, describe, expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Mutant, mutated, placesOf } from '../support/mutants/mutant.ts';
import { MUTANTS } from '../support/mutants/table.ts';
import { playIn } from '../support/wide/farm.ts';
import type { Broken } from '../support/wide/range.ts';
import { runs } from '../support/long.ts';
import { packageRoot } from '../support/sample.ts';

/** So many random campaigns, the same for each mutant, may pass before one has to find it. */
const FIRST = 1;
const LAST = runs(10_000);
const told: string[] = [];

afterAll(() => void process.stdout.write(`mutants:\n${told.map((line) => `  ${line}\n`).join('')}`));

/** One fault in the lifecycle, looked for by the random campaigns as `npm run test:long -- wide-campaign` plays them. */
describe('A fault in the lifecycle is found', () => {
  test.concurrent.each(MUTANTS)('$breaks: $name', async (mutant) => {
    expect(await placesOf(packageRoot(), mutant)).toBe(1);
    expect(await hunt(mutant)).not.toBeNull();
  });
});

/** The rule that finds it, or null. */
async function hunt(mutant: Mutant): Promise<string | null> {
  const build = await mutated(packageRoot(), mutant);
  try {
    const found = await firstBroken(build);
    const by = found ? `${found.rule} (${found.invariant}), seed ${found.seed}` : 'NOT FOUND';
    told.push(
      `${mutant.breaks}: ${mutant.name}: ${by}, after ${(found?.seed ?? LAST) - FIRST + 1} campaigns`,
    );
    return found?.rule ?? null;
  } finally {
    await rm(build, { recursive: true, force: true });
  }
}

/** The first promise that the mutant breaks and the build without it keeps: a defect of both proves nothing. */
async function firstBroken(build: string): Promise<Broken | null> {
  for (let first = FIRST; first <= LAST;) {
    const [found] = await brokenIn(build, first, LAST);
    if (!found) return null;
    if ((await brokenIn(join(packageRoot(), 'dist'), found.seed, found.seed)).length === 0) return found;
    first = found.seed + 1;
  }
  return null;
}

async function brokenIn(build: string, first: number, last: number): Promise<Broken[]> {
  const range = { first, last, stride: 1, dims: null, reports: 0, untilBroken: true };
  return (await playIn(build, range)).broken;
}
