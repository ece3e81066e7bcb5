import type { Eta } from '../lifecycle/model/forecast.ts';

/** Estimates when the last user will have left, from how the users have left so far. */

/** How many were there at a moment (monotonic milliseconds); null = unknown, which is never zero. */
export interface Sample {
  readonly at: number;
  readonly count: number | null;
}

type CountedSample = Sample & { readonly count: number };

/** The window ends when it holds so many departures and this share of what was seen, but is never all that was seen. */
const ENOUGH_LEFT = 8;
const LEAST_SHARE = 1 / 3;
const MOST_SHARE = 3 / 4;
/** Fewer departures than this are chance. */
const FEWEST_LEFT = 3;
/** Users who come and go hide how many leave: the fall must exceed that noise by so many deviations. */
const DEVIATIONS = 2;
/** Before that much has been seen, in milliseconds, there is nothing to be read from it. */
const SHORTEST_MS = 3_000;
/** An end that is farther ahead than this many times the window counts as unknown. */
const FARTHEST = 20;

/**
 * When the last user is expected to be gone.
 *
 * A survival fit of a recent window: users leave one by one at some rate, and the last of many takes long. A
 * straight line through the same window promises too much: on the recorded curves (`npm run bench`) a third of the
 * true time, and its geometric mean with the fit a half. The window is recent, since users leave at other rates at
 * other times of the day.
 * @param samples in the order of time; may have gaps
 * @param now monotonic milliseconds
 * @param atMostMs by then all users are gone if none sends another request; null = unknown
 * @returns seconds, or the reason why they are unknown
 */
export function estimate(
  samples: readonly Sample[],
  now: number,
  atMostMs: number | null,
): { readonly eta: Eta | null; readonly reason: string | null } {
  const left = millisecondsLeft(samples, now);
  const atMost = atMostMs === null ? null : seconds(atMostMs);
  if (typeof left === 'number') return { eta: { seconds: seconds(left), atMost }, reason: null };
  return { eta: atMost === null ? null : { seconds: null, atMost }, reason: left };
}

function millisecondsLeft(samples: readonly Sample[], now: number): number | string {
  const last = samples.at(-1);
  if (last === undefined || last.count === null) return 'the number of users left is unknown';
  if (last.count === 0) return 0;
  const known = [...samples.filter(isKnown), { at: now, count: last.count }];
  const { at: began } = known[0] as CountedSample;
  if (now - began < SHORTEST_MS) return 'too early for an estimate';
  const recent = windowOf(known, began, now);
  const { exposure, downs, ups } = flow(recent);
  const fall = downs - ups;
  if (fall <= 0 || (ups > 0 && fall < DEVIATIONS * Math.sqrt(downs + ups))) return 'no sign of falling';
  if (fall < FEWEST_LEFT) return 'too few have left for an estimate';
  const span = now - (recent[0] as CountedSample).at;
  const ms = lastOf(last.count, fall / exposure);
  return ms > FARTHEST * span ? 'no end in sight: it hardly falls' : ms;
}

/** The last stretch of the curve, long enough for an estimate. */
function windowOf(known: readonly CountedSample[], began: number, now: number): readonly CountedSample[] {
  const all = now - began;
  let downs = 0;
  for (let index = known.length - 1; index > 0; index -= 1) {
    const [before, after] = [known[index - 1] as CountedSample, known[index] as CountedSample];
    downs += Math.max(0, before.count - after.count);
    const age = now - before.at;
    if (age >= MOST_SHARE * all || (downs >= ENOUGH_LEFT && age >= LEAST_SHARE * all))
      return known.slice(index - 1);
  }
  return known;
}

/** How many came, how many went, and for how long all of them together were there (user-milliseconds). */
function flow(known: readonly CountedSample[]): {
  readonly exposure: number;
  readonly downs: number;
  readonly ups: number;
} {
  let [exposure, downs, ups] = [0, 0, 0];
  for (let index = 1; index < known.length; index += 1) {
    const [before, after] = [known[index - 1] as CountedSample, known[index] as CountedSample];
    exposure += before.count * (after.at - before.at);
    downs += Math.max(0, before.count - after.count);
    ups += Math.max(0, after.count - before.count);
  }
  return { exposure, downs, ups };
}

/** The median time until the last of `count` users is gone, each leaving at `rate`. */
function lastOf(count: number, rate: number): number {
  return -Math.log(1 - 0.5 ** (1 / count)) / rate;
}

function isKnown(sample: Sample): sample is CountedSample {
  return sample.count !== null;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}
