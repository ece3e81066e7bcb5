import { NO_WRITE, type Write } from './write.ts';

/** A server's weight on the way back: lastcall lowers it before READY, and raises it to what it was (`return.warmUp`). */
export interface Ramp {
  /** The weight to which it rises: the one that was set before lastcall wrote any. */
  readonly full: number;
  /** The weights on the way, each for `stepMs`. */
  readonly steps: readonly number[];
  readonly stepMs: number;
  /** Since when the server has been UP in READY; null = it is not yet, and its weight stays the lowest. */
  readonly since: number | null;
  /** A weight below `full` was read back: READY may be written. */
  readonly isLow: boolean;
  /** `slowstart`: HAProxy's own raises it, `full` is written at once and its end waited for; `none`: it was given up. */
  readonly by: 'steps' | 'slowstart' | 'none';
  /** Weights that may be set because of us; any other was set from outside, and ends the ramp. */
  readonly ours: readonly number[];
  readonly write: Write;
}

/** Shorter steps make the share of new users no smoother, and each costs HAProxy a command. */
const SHORTEST_STEP_MS = 1_000;
const MOST_STEPS = 20;

/**
 * The way to `full`: steps of equal length whose weights are whole percents of it, as agent-check can say them.
 * @param full the weight at its end, of HAProxy's 0 to 256
 * @returns null where no weight lies below it
 */
export function newRamp(full: number, warmUpMs: number): Ramp | null {
  if (full <= 1) return null;
  const count = Math.max(1, Math.min(MOST_STEPS, Math.floor(warmUpMs / SHORTEST_STEP_MS)));
  const steps = Array.from({ length: count }, (_none, index) => {
    const percent = Math.round((100 * (index + 1)) / (count + 1));
    // Never 0, which is a drain.
    return Math.max(1, Math.floor((full * percent) / 100));
  });
  return {
    full,
    steps,
    stepMs: warmUpMs / count,
    since: null,
    isLow: false,
    by: 'steps',
    ours: [full],
    write: NO_WRITE,
  };
}

/** Every weight that it writes, and the one before: after a reload or a crash any of them may be set. */
export function allWeights({ full, steps }: Pick<Ramp, 'full' | 'steps'>): readonly number[] {
  return [...new Set([...steps, full])];
}

/** The weight that the time asks for, in monotonic milliseconds. */
export function weightAt({ full, steps, stepMs, since, by }: Ramp, at: number): number {
  if (by !== 'steps') return full;
  const step = since === null ? 0 : Math.floor((at - since) / stepMs);
  return steps[step] ?? full;
}

/** READY waits until new users get their small share only. */
export function keepsOut(ramp: Ramp | null): boolean {
  return ramp?.by === 'steps' && !ramp.isLow;
}

/** How long all of it takes, in milliseconds. */
export function rampMs({ steps, stepMs }: Ramp): number {
  return steps.length * stepMs;
}
