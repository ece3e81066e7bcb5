import { expect, test } from '@jest/globals';
import { drawCampaign, play } from '../support/wide/campaign.ts';
import { ALL, type Dimension } from '../support/wide/dimensions.ts';
import { findingsOf, HOLDING, mayBreak } from '../support/wide/findings.ts';
import { reportOf, violationOf } from '../support/wide/shrink.ts';
import { runs } from '../support/long.ts';

/**
 * `LASTCALL_SEED=42 LASTCALL_DIMS=hold,joins npm run test:long -- wide-campaign` plays that one and prints what it breaks.
 * Without them the seeds are new each time, and printed. `LASTCALL_LONG=10`: ten times as many.
 */
const SEED = process.env['LASTCALL_SEED'];
const DIMS = process.env['LASTCALL_DIMS'];
const FIRST = SEED === undefined ? Date.now() % 2 ** 30 : Number(SEED);
const EACH = runs(SEED === undefined ? 200 : 1);
/** How many seeds a known defect may need to show again. */
const SEARCH = 1_500;

const chosen = DIMS === undefined ? ALL : (DIMS.split(',').filter(Boolean) as Dimension[]);
const sets: (readonly Dimension[])[] =
  DIMS === undefined ? [[], ...ALL.map((one) => [one]), HOLDING, ALL] : [chosen];

/** Of several dimensions, all that any of them finds. */
function isKnown(dims: readonly Dimension[], rule: string): boolean {
  return dims.some((one) => mayBreak(one, rule));
}

test.each(
  sets.map(
    (dims) => [dims.length > 3 ? `${dims.length} dimensions` : dims.join('+') || 'base', dims] as const,
  ),
)('%s: nothing is broken but what the table of known defects names', (name, dims) => {
  const news: string[] = [];
  const seen = new Map<string, number>();
  for (let seed = FIRST; seed < FIRST + EACH; seed += 1) {
    const campaign = drawCampaign(seed, dims);
    for (const violation of play(campaign).violations) {
      seen.set(violation.rule, (seen.get(violation.rule) ?? 0) + 1);
      const isNew = news.length < 3 && (SEED !== undefined || !isKnown(dims, violation.rule));
      if (isNew) news.push(reportOf(campaign, violation));
    }
  }
  const told = [...seen].map(([rule, count]) => `${rule} ${count}`).join(', ');
  process.stdout.write(`${name}: seeds ${FIRST} to ${FIRST + EACH - 1}: ${told || 'clean'}\n`);
  for (const report of news) process.stdout.write(`${report}\n`);
  expect(news).toEqual([]);
});

const findings = ALL.flatMap((dim) => findingsOf(dim).map((finding) => ({ dim, ...finding }))).filter(
  ({ seldom }) => seldom !== true,
);

test.each(findings)('$dim still finds $defects ($rule); else it leaves the table', ({ dim, rule, seed }) => {
  for (let next = seed; next < seed + SEARCH; next += 1)
    if (violationOf(drawCampaign(next, [dim]), rule)) return;
  expect(`${rule} by ${dim}, from seed ${seed} on`).toBe('found');
});
