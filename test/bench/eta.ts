import { estimate, type Sample } from '../../agent/engine/eta.ts';
import { createSessionHistory } from '../../agent/engine/session-history.ts';
import { type Curve, readCurves } from './curve-files.ts';
import { median, percentile, type Figure } from './figures.ts';

const SHARES = [0.25, 0.5, 0.75];
/** The last departure is one person's whim: of twenty who leave at random its moment alone varies by a third. */
const MEDIAN_LIMIT = 1;
/** A cliff such as lunch cannot be foreseen: there, no answer is the right one. */
const P90_LIMIT = 4;
/** Half of the promises are later than the truth, half of them earlier, or nearly so. */
const BIAS_LIMIT = 1.5;
/**
 * Of the curves: a forecast that were silent on all that is hard would look good above. One in four is a cliff, which shows nothing
 * before, and after a quarter of a drain others have shown little.
 */
const UNANSWERED_EARLY = 1 / 2;
const UNANSWERED_LATE = 1 / 4;
/** Recorded curves: nothing of this machine is in them. */
const exact = true;

/** How far the ETA was off on recorded curves, when a quarter, a half and three quarters of the drain were over. */
export async function eta(): Promise<Figure[]> {
  const curves = await readCurves();
  const drained = curves.filter((curve) => curve.drained);
  const plateaus = curves.filter((curve) => !curve.drained);
  const figures = SHARES.flatMap((share) => {
    const ratios = drained.flatMap((curve) => ratioAt(curve, share) ?? []);
    const errors = ratios.map((ratio) => Math.abs(ratio - 1));
    const name = `ETA at ${share * 100} % of the drain, relative error`;
    const how = `of ${drained.length} recorded curves, ${drained.length - errors.length} had no answer`;
    return [
      {
        name: `${name}, median`,
        value: median(errors),
        unit: '',
        limit: MEDIAN_LIMIT,
        how,
        samples: errors,
        exact,
      },
      {
        name: `ETA at ${share * 100} % of the drain, promised / true, median`,
        value: median(ratios),
        unit: 'x',
        limit: BIAS_LIMIT,
        how,
        samples: ratios,
        exact,
      },
      { name: `${name}, p90`, value: percentile(errors, 0.9), unit: '', limit: P90_LIMIT, how, exact },
      {
        name: `ETA at ${share * 100} % of the drain: curves without an answer`,
        value: drained.length - errors.length,
        unit: '',
        limit: drained.length * (share < 0.5 ? UNANSWERED_EARLY : UNANSWERED_LATE),
        how: `of ${drained.length} recorded curves`,
        exact,
      },
    ];
  });
  const promised = SHARES.flatMap((share) => plateaus.filter((curve) => answerAt(curve, share) !== null));
  return [
    ...figures,
    {
      name: 'ETA promised on a plateau',
      value: promised.length,
      unit: '',
      limit: 0,
      how: `${plateaus.length} recorded curves, asked at ${SHARES.length} moments each`,
      exact,
    },
  ];
}

/** Promised / true, or null where nothing was promised. */
function ratioAt(curve: Curve, share: number): number | null {
  const promised = answerAt(curve, share);
  const left = (lengthOf(curve) * (1 - share)) / 1_000;
  return promised === null ? null : promised / left;
}

/** In seconds, by what the engine would have kept until then. */
function answerAt(curve: Curve, share: number): number | null {
  const now = lengthOf(curve) * share;
  const kept = createSessionHistory();
  for (const sample of samplesOf(curve)) if (sample.at <= now) kept.add(sample);
  return estimate(kept.samples, now, null).eta?.seconds ?? null;
}

function samplesOf({ counts, everyMs }: Curve): Sample[] {
  return counts.map((count, index) => ({ at: index * everyMs, count }));
}

function lengthOf({ counts, everyMs }: Curve): number {
  return (counts.length - 1) * everyMs;
}
