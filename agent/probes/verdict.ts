import type { ProbeAnswer } from './probe.ts';

/** The verdict over a row of answers. */
export interface Verdict {
  readonly health: 'unknown' | 'up' | 'down';
  /** The application asks for certain to be taken out. */
  readonly signedOut: boolean;
  /** When the first of the probes that made `health` what it is was begun, in monotonic ms; -1 while it is unknown. */
  readonly startedAt: number;
  /** Why the latest answer was bad; null when it was not. */
  readonly reason: string | null;
  /** How many answers in a row, up to the latest, were of each sort. */
  readonly streak: {
    readonly living: number;
    readonly bad: number;
    readonly out: number;
    readonly back: number;
    /** When the first probe of the present row of living or of bad answers was begun. */
    readonly startedAt: number;
  };
}

/** The verdict before the first probe. */
export const UNKNOWN: Verdict = {
  health: 'unknown',
  signedOut: false,
  startedAt: -1,
  reason: null,
  streak: { living: 0, bad: 0, out: 0, back: 0, startedAt: -1 },
};

/**
 * The verdict after one more answer. Pure.
 *
 * `up` takes `rise` living answers in a row and `down` takes `fall` bad ones, so an application that flaps changes
 * nothing. One that signs out lives. A sign-out counts after `fall` such answers in a row, because like a fall it
 * takes the node out; it is dropped after `rise` healthy answers in a row, or when the application is down: without
 * an answer there is no sign-out any more.
 * @param startedAt when this probe was begun, in monotonic milliseconds
 */
export function judge(
  verdict: Verdict,
  answer: ProbeAnswer,
  startedAt: number,
  { rise, fall }: { readonly rise: number; readonly fall: number },
): Verdict {
  const is = (count: number, yes: boolean): number => (yes ? count + 1 : 0);
  const living = is(verdict.streak.living, answer.kind !== 'unhealthy');
  const bad = is(verdict.streak.bad, answer.kind === 'unhealthy');
  const streak = {
    living,
    bad,
    out: is(verdict.streak.out, answer.kind === 'signed-out'),
    back: is(verdict.streak.back, answer.kind === 'healthy'),
    startedAt: living === 1 || bad === 1 ? startedAt : verdict.streak.startedAt,
  };
  const health = living >= rise ? 'up' : bad >= fall ? 'down' : verdict.health;
  const dropped = streak.back >= rise || bad >= fall;
  return {
    health,
    signedOut: streak.out >= fall || (verdict.signedOut && !dropped),
    startedAt: health === verdict.health ? verdict.startedAt : streak.startedAt,
    reason: answer.kind === 'unhealthy' ? answer.reason : null,
    streak,
  };
}
