import { isOutward } from '../model/phase.ts';
import type { SourceState } from '../model/server-state.ts';
import { type Draft, warn } from '../step-draft.ts';

/** Sources that count the same users and disagree whether there are any. The larger number wins, with a warning. */

/** One of them lags a little: a count is cached, a logout is seen by one before the other. */
const FEW_SAMPLES = 5;
const LAG_MS = 5_000;
const SUBJECT = 'sources that do not agree';
const ADVICE = 'the operation waits for the larger number; see which of them is wrong';

type AnswerSpan = Pick<SourceState, 'answerSince' | 'answerSamples'>;

/** Since when, and over how many samples, the source gives the same answer: zero, some, or unknown. */
export function answerAfter(known: SourceState, count: number | null, at: number): AnswerSpan {
  if (answerOf(known.count) !== answerOf(count)) return { answerSince: at, answerSamples: 1 };
  return { answerSince: known.answerSince, answerSamples: known.answerSamples + 1 };
}

/** Warns, once per operation, when one source counts zero and another one counts users, and both persist. */
export function warnMismatch(draft: Draft): void {
  const { op, phase, sources } = draft.state;
  if (!op || !isOutward(phase) || op.warnings.some(({ subject }) => subject === SUBJECT)) return;
  const settled = draft.policy.sources.flatMap((name) => {
    const source = sources[name];
    if (!source || source.startedAt < op.startedAt || source.answerSamples < FEW_SAMPLES) return [];
    return draft.at - Math.max(source.answerSince, op.startedAt) < LAG_MS
      ? []
      : [{ name, answer: answerOf(source.count) }];
  });
  // Zero connections at this moment contradict no number of users.
  const zero = settled.find(
    ({ name, answer }) => answer === 'zero' && draft.policy.userSources.includes(name),
  );
  const some = settled.find(({ answer }) => answer === 'some');
  if (zero && some)
    warn(draft, SUBJECT, `${zero.name} counts no user, but ${some.name} counts users: ${ADVICE}`);
}

function answerOf(count: number | null): 'zero' | 'some' | 'unknown' {
  if (count === null) return 'unknown';
  return count === 0 ? 'zero' : 'some';
}
