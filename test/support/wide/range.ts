import type { Campaign } from './campaign.ts';
import { drawCampaign, play } from './campaign.ts';
import type { Dimension } from './dimensions.ts';
import { drawMix } from './mix.ts';
import { reportOf } from './shrink.ts';

/** Which campaigns to play: every `stride`-th seed from `first` to `last`, both included. */
export interface Range {
  readonly first: number;
  readonly last: number;
  readonly stride: number;
  /** null = those that each seed draws. */
  readonly dims: readonly Dimension[] | null;
  /** So many violations of one rule are shrunk and reported with their trace. */
  readonly reports: number;
  /** It ends with the first campaign that breaks a promise. */
  readonly untilBroken: boolean;
}

/** One promise that one campaign broke. */
export interface Broken {
  readonly seed: number;
  readonly dims: readonly Dimension[];
  readonly rule: string;
  readonly invariant: string;
  readonly what: string;
  /** Shrunk, with the last things that happened; null = there are enough of its kind. */
  readonly report: string | null;
}

export interface Played {
  readonly campaigns: number;
  readonly steps: number;
  readonly met: Readonly<Record<string, number>>;
}

/** One campaign in so many is strict: that `step` is pure needs no hundred thousand. */
const STRICT_EVERY = 50;

/** So many campaigns lie between two reports of progress. */
const PROGRESS_EVERY = 500;

/**
 * Plays them.
 * @param tell called for each violation at once
 * @param onProgress called now and then with how many have been played
 */
export function playRange(
  range: Range,
  tell: (broken: Broken) => void,
  onProgress: (campaigns: number) => void = () => undefined,
): Played {
  const met: Record<string, number> = {};
  const told = new Map<string, number>();
  let campaigns = 0;
  let steps = 0;
  let isBroken = false;

  function broken(
    campaign: Campaign,
    { rule, invariant, what }: Omit<Broken, 'seed' | 'dims' | 'report'>,
  ): void {
    const before = told.get(rule) ?? 0;
    told.set(rule, before + 1);
    const report = before < range.reports ? reportOf(campaign, rule) : null;
    tell({ seed: campaign.seed, dims: campaign.dims, rule, invariant, what, report });
    isBroken = true;
  }

  for (let { first: seed } = range; seed <= range.last; seed += range.stride) {
    const campaign = drawCampaign(seed, range.dims ?? drawMix(seed));
    const { violations, coverage } = play(campaign, { isStrict: seed % STRICT_EVERY === 0 });
    campaigns += 1;
    if (campaigns % PROGRESS_EVERY === 0) onProgress(campaigns);
    steps += coverage.steps;
    for (const [what, times] of coverage.met) met[what] = (met[what] ?? 0) + times;
    for (const violation of violations) broken(campaign, violation);
    if (isBroken && range.untilBroken) break;
  }
  return { campaigns, steps, met };
}
