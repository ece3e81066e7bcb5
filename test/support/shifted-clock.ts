import { realClock, type Clock } from '../../agent/system/clock.ts';

/** The machine's clock, which can be put forward: waits are real, ages are not. */
export interface ShiftedClock extends Clock {
  forward(ms: number): void;
  /** Sets the calendar forwards, or back where it is negative; monotonic time goes on. */
  stepCalendar(ms: number): void;
}

export function createShiftedClock(): ShiftedClock {
  let [shift, step] = [0, 0];
  return {
    ...realClock,
    now: () => realClock.now() + shift,
    wall: () => new Date(realClock.wall().getTime() + step),
    forward: (ms) => void (shift += ms),
    stepCalendar: (ms) => void (step += ms),
  };
}
