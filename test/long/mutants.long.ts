import { afterAll, describe, expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { type Mutant, mutated, placesOf } from '../support/mutants/mutant.ts';
import { MUTANTS } from '../support/mutants/table.ts';
import { playIn } from '../support/wide/farm.ts';
import { runs } from '../support/long.ts';
import { packageRoot } from '../support/sample.ts';

/** So many random campaigns, the same for each mutant, may pass before one has to find it. */
const FIRST = 1;
const LIMIT = runs(10_000);
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
    const range = { first: FIRST, last: FIRST + LIMIT - 1, stride: 1, dims: null, reports: 0 };
    const { played, broken } = await playIn(build, { ...range, untilBroken: true });
    const [found] = broken;
    const by = found ? `${found.rule} (${found.invariant}), seed ${found.seed}` : 'NOT FOUND';
    told.push(`${mutant.breaks}: ${mutant.name}: ${by}, after ${played.campaigns} campaigns`);
    return found?.rule ?? null;
  } finally {
    await rm(build, { recursive: true, force: true });
  }
}
