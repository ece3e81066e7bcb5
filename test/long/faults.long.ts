import { expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { start } from '../support/cli.ts';
import { mutated, programOf } from '../support/mutants/mutant.ts';
import { MUTANTS } from '../support/mutants/table.ts';
import { packageRoot } from '../support/sample.ts';

/** A fault put into a copy of lastcall on purpose, and the row of `npm run faults` that has to report it as failed. */

const ROWS: Readonly<Record<string, number>> = {
  'silence need not hold': 3,
  'the users that a source counts are left out': 6,
  'the guard is not asked while users are waited for': 12,
  'a state that a reload has removed is not set again': 22,
};

test.each(Object.entries(ROWS))('%s: row %i fails, and only with it', async (name, row) => {
  const mutant = MUTANTS.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`no mutant is called ${name}`);
  const copy = await mutated(packageRoot(), mutant);
  try {
    const program = await programOf(copy, packageRoot());
    const main = join(packageRoot(), 'dist', 'test', 'faults', 'main.js');
    const play = (env: Record<string, string>): Promise<{ code: number | null; stdout: string }> =>
      start(process.execPath, [main, String(row)], env).outcome;
    const wrong = await play({ LASTCALL_BUNDLE: program });
    process.stdout.write(`${name}: ${wrong.stdout}`);
    expect(wrong.stdout).toMatch(new RegExp(`^ *${row} failed `));
    expect(wrong.code).toBe(1);
    const right = await play({});
    process.stdout.write(`without it: ${right.stdout}`);
    expect(`${right.code} ${right.stdout}`).toMatch(/^0 /);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
});
