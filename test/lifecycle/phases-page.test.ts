import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PHASES, type PhaseTraits } from '../../agent/lifecycle/phases.ts';
import { packageRoot } from '../support/sample.ts';

/** The page shows the table that the code goes by: one row for each phase, one column for each trait. */

const COLUMNS = Object.keys(PHASES.serving) as (keyof PhaseTraits)[];

function rows(): string[][] {
  const page = readFileSync(join(packageRoot(), 'agent/lifecycle/PHASES.md'), 'utf8');
  const table = page.split('\n').filter((line) => line.startsWith('|') && !/^\|[-| ]*\|$/.test(line));
  return table.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

test('PHASES.md shows the table of phases as it is', () => {
  const shown = (value: boolean | string): string => (typeof value === 'string' ? value : value ? 'yes' : '');
  expect(rows()).toEqual([
    ['phase', ...COLUMNS],
    ...Object.entries(PHASES).map(([phase, traits]) => [
      phase,
      ...COLUMNS.map((column) => shown(traits[column])),
    ]),
  ]);
});
