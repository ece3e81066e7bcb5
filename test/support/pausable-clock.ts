import { realClock, type Clock } from '../../agent/system/clock.ts';

/** The machine's clock for a process that stands still at times: meanwhile none of its timers runs. */
export interface PausableClock extends Clock {
  pause(): void;
  /** Runs the timers that fell due meanwhile, as a process does that goes on. */
  resume(): void;
}

export function createPausableClock(): PausableClock {
  const late = new Set<() => void>();
  let isPaused = false;
  return {
    ...realClock,
    after(ms, run) {
      const due = (): void => {
        if (isPaused) late.add(due);
        else run();
      };
      const cancel = realClock.after(ms, due);
      return () => {
        cancel();
        late.delete(due);
      };
    },
    pause: () => void (isPaused = true),
    resume() {
      isPaused = false;
      const waiting = [...late];
      late.clear();
      for (const due of waiting) due();
    },
  };
}
