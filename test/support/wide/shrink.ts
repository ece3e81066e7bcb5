import { type Campaign, play } from './campaign.ts';
import type { Violation } from './violation.ts';

/** Rules that strict campaigns alone can break. */
const STRICT = ['not pure', 'record forgets', 'broken sentence'];

/** The violation of that rule in the campaign, or undefined. */
export function violationOf(campaign: Campaign, rule: string): Violation | undefined {
  return play(campaign, { isStrict: STRICT.includes(rule) }).violations.find((one) => one.rule === rule);
}

/** The same campaign without the deeds that the violation does not need. */
export function shrink(campaign: Campaign, rule: string): Campaign {
  let smallest = campaign;
  for (let index = campaign.deeds.length - 1; index >= 0; index -= 1) {
    const fewer = { ...smallest, deeds: smallest.deeds.filter((_, at) => at !== index) };
    if (violationOf(fewer, rule)) smallest = fewer;
  }
  return smallest;
}

/** What a person needs to see of it: the seed, the promise, and the last things that happened. */
export function reportOf(campaign: Campaign, rule: string): string {
  const { seed, dims } = campaign;
  const small = shrink(campaign, rule);
  const violation = violationOf(small, rule);
  if (!violation) return `seed ${seed}: ${rule} does not show again: the campaign is not the same each time`;
  return [
    `seed ${seed}, ${dims.join('+') || 'base'}: ${rule} (${violation.invariant}): ${violation.what}`,
    `  ${small.deeds.length} of ${campaign.deeds.length} deeds needed`,
    ...violation.trace.map((line) => `  ${line}`),
  ].join('\n');
}
