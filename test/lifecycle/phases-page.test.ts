import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PHASES, type PhaseTraits } from '../../agent/lifecycle/model/phase.ts';

import { packageRoot } from '../support/sample.ts';
import { drawCampaign, play } from '../support/wide/campaign.ts';
import { drawMix } from '../support/wide/mix.ts';

/** The page shows the table that the code goes by: one row for each phase, one column for each trait. */

const COLUMNS = Object.keys(PHASES.serving) as (keyof PhaseTraits)[];

const PAGE = readFileSync(join(packageRoot(), 'agent/lifecycle/PHASES.md'), 'utf8');

function rows(): string[][] {
  const [traits = ''] = PAGE.split('## Who goes where');
  const table = traits.split('\n').filter((line) => line.startsWith('|') && !/^\|[-| ]*\|$/.test(line));
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

/** `draining -> settling` for each arrow of the diagram but the first, which no step takes. */
function arrows(): string[] {
  return [...PAGE.matchAll(/^ +(\w+) --> (\w+)/gm)].map(([, from, to]) => `${from} -> ${to}`);
}

/** The same for the table of the ways that are seldom taken. */
function seldom(): string[] {
  const [, table = ''] = PAGE.split('\nSeldom');
  return [...table.matchAll(/^\| `(\w+)` *\| (.*) \|$/gm)].flatMap(([, from, targets = '']) =>
    [...targets.matchAll(/`(\w+)`/g)].map(([, to]) => `${from} -> ${to}`),
  );
}

/** Enough for each arrow to be taken more than once. */
const CAMPAIGNS = 100;

test('PHASES.md shows every way between two phases that campaigns take, and its arrows are all taken', () => {
  const taken = new Set<string>();
  for (let seed = 1; seed <= CAMPAIGNS; seed += 1)
    for (const what of play(drawCampaign(seed, drawMix(seed))).coverage.met.keys())
      if (what.includes(' -> ')) taken.add(what);
  const shown = [...arrows(), ...seldom()];
  expect(new Set(shown).size).toBe(shown.length);
  expect([...taken].filter((way) => !shown.includes(way))).toEqual([]);
  expect(arrows().filter((way) => !taken.has(way))).toEqual([]);
  const phases = Object.keys(PHASES);
  expect(shown.flatMap((way) => way.split(' -> ')).filter((name) => !phases.includes(name))).toEqual([]);
});
