import { expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CATALOGUE } from '../faults/catalogue.ts';
import { start } from '../support/cli.ts';
import { mutated, programOf } from '../support/mutants/mutant.ts';
import { MUTANTS } from '../support/mutants/table.ts';
import { packageRoot } from '../support/sample.ts';
import { makeTempDir } from '../support/tempdir.ts';

const MAIN = join(packageRoot(), 'dist', 'test', 'faults', 'main.js');
/** `LASTCALL_ROWS='4 11'`: these rows alone, by a program that does nothing; default all. */
const ROWS_TO_PLAY = (process.env['LASTCALL_ROWS'] ?? '').split(' ').filter((word) => word !== '');

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
    const play = (env: Record<string, string>): Promise<{ code: number | null; stdout: string }> =>
      start(process.execPath, [MAIN, String(row)], env).outcome;
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

/** Rows in which a program is right that does nothing, and why. */
const RIGHT_WITHOUT_LASTCALL: Readonly<Record<number, string>> = {};

test.each([
  ['ends at once', 'nothing.js'],
  ['answers at its control socket', 'idle-lastcall.js'],
])(
  'a lastcall that says that all is done, does nothing and %s: no row is as expected',
  async (_how, name) => {
    const temp = await makeTempDir();
    try {
      const program = join(packageRoot(), 'dist', 'test', 'fixtures', name);
      const words = [MAIN, ...ROWS_TO_PLAY, '--report', join(temp.path, 'report')];
      const { code, stdout } = await start(process.execPath, words, { LASTCALL_BUNDLE: program }).outcome;
      process.stdout.write(stdout);
      const played = [...stdout.matchAll(/^ ?(\d+) (ok|failed|not made) /gm)];
      const numbers = ROWS_TO_PLAY.length > 0 ? ROWS_TO_PLAY : CATALOGUE.map(({ number }) => String(number));
      expect(played.map(([, number]) => number)).toEqual(numbers);
      const right = played.flatMap(([, number, is]) => (is === 'ok' ? [Number(number)] : []));
      expect(right.filter((number) => !(number in RIGHT_WITHOUT_LASTCALL))).toEqual([]);
      expect(code).toBe(1);
    } finally {
      await temp.remove();
    }
  },
);
