import { isOutward } from '../model/phase.ts';
import type { SourceState } from '../model/server-state.ts';
import { type Draft, warn } from '../draft.ts';

/** Sources that count the same users and disagree whether there are any. The larger number wins, with a warning. */

/** One of them lags a little: a count is cached, a logout is seen by one before the other. */
const FEW_SAMPLES = 5;
const LAG_MS = 5_000;
const SUBJECT = 'sources that do not agree';
const ADVICE = 'the larger number is waited for; see which of them is wrong';

type Side = Pick<SourceState, 'sideSince' | 'sideSamples'>;

/** Since when, and over how many samples, the source gives the same answer: zero, some, or unknown. */
export function sideAfter(known: SourceState, count: number | null, at: number): Side {
  if (sideOf(known.count) !== sideOf(count)) return { sideSince: at, sideSamples: 1 };
  return { sideSince: known.sideSince, sideSamples: known.sideSamples + 1 };
}

/** Warns, once per operation, when one source counts zero and another one counts users, and both persist. */
export function tellDisagreement(draft: Draft): void {
  const { op, phase, sources } = draft.state;
  if (!op || !isOutward(phase) || op.warnings.some(({ subject }) => subject === SUBJECT)) return;
  const settled = draft.policy.sources.flatMap((name) => {
    const source = sources[name];
    if (!source || source.begun < op.startedAt || source.sideSamples < FEW_SAMPLES) return [];
    return draft.at - Math.max(source.sideSince, op.startedAt) < LAG_MS
      ? []
      : [{ name, side: sideOf(source.count) }];
  });
  // Zero connections at this moment contradict no number of users.
  const nobody = settled.find(
    ({ name, side }) => side === 'nobody' && draft.policy.userSources.includes(name),
  );
  const somebody = settled.find(({ side }) => side === 'somebody');
  if (nobody && somebody)
    warn(
      draft,
      SUBJECT,
      `${nobody.name} says that nobody is there, but ${somebody.name} counts users: ${ADVICE}`,
    );
}

function sideOf(count: number | null): 'nobody' | 'somebody' | 'unknown' {
  if (count === null) return 'unknown';
  return count === 0 ? 'nobody' : 'somebody';
}
