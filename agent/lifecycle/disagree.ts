import { isOutward } from './phases.ts';
import type { SourceState } from './server-state.ts';
import { type Turn, warn } from './turn.ts';

/** Sources that count the same users and do not agree whether there are any. The larger number wins; people are told. */

/** One of them lags a little: a count is cached, a logout is seen by one before the other. */
const FEW_SAMPLES = 5;
const LAG_MS = 5_000;
const SUBJECT = 'sources that do not agree';
const ADVICE = 'the larger number is waited for; see which of them is wrong';

type Side = Pick<SourceState, 'sideSince' | 'sideSamples'>;

/** Since when, and over how many samples, it says the same: nobody, somebody, or nothing. */
export function sideAfter(known: SourceState, count: number | null, at: number): Side {
  if (sideOf(known.count) !== sideOf(count)) return { sideSince: at, sideSamples: 1 };
  return { sideSince: known.sideSince, sideSamples: known.sideSamples + 1 };
}

/** Warns, once per operation, when one says that nobody is there and another one counts users, and both stay with it. */
export function tellDisagreement(turn: Turn): void {
  const { op, phase, sources } = turn.state;
  if (!op || !isOutward(phase) || op.warnings.some(({ subject }) => subject === SUBJECT)) return;
  const settled = turn.policy.sources.flatMap((name) => {
    const source = sources[name];
    if (!source || source.begun < op.startedAt || source.sideSamples < FEW_SAMPLES) return [];
    return turn.at - Math.max(source.sideSince, op.startedAt) < LAG_MS
      ? []
      : [{ name, side: sideOf(source.count) }];
  });
  // That nobody is connected just now contradicts no number of users.
  const nobody = settled.find(
    ({ name, side }) => side === 'nobody' && turn.policy.userSources.includes(name),
  );
  const somebody = settled.find(({ side }) => side === 'somebody');
  if (nobody && somebody)
    warn(
      turn,
      SUBJECT,
      `${nobody.name} says that nobody is there, but ${somebody.name} counts users: ${ADVICE}`,
    );
}

function sideOf(count: number | null): 'nobody' | 'somebody' | 'unknown' {
  if (count === null) return 'unknown';
  return count === 0 ? 'nobody' : 'somebody';
}
