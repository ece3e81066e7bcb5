import { realClock, type Clock } from '../../agent/system/clock.ts';

/** The machine's clock, which can be put forward: waits are real, ages are not. */
export interface ShiftedClock extends Clock {
  forward(ms: number): void;
}

export function createShiftedClock(): ShiftedClock {
  let shift = 0;
  return {
    ...realClock,
    now: () => realClock.now() + shift,
    forward: (ms) => void (shift += ms),
  };
}
