import type { Clock } from '../../agent/system/clock.ts';

interface Timer {
  readonly due: number;
  readonly run: () => void;
}

/** A clock that stands still until the test moves it: half an hour takes no time and no test sleeps. */
export class ManualClock implements Clock {
  #now: number;
  readonly #start: number;
  readonly #wall: number;
  readonly #timers = new Set<Timer>();
  readonly #watchers = new Set<() => void>();

  constructor(now = 1_000_000, wall = new Date('2026-01-01T00:00:00Z')) {
    this.#now = now;
    this.#start = now;
    this.#wall = wall.getTime();
  }

  now(): number {
    return this.#now;
  }

  wall(): Date {
    return new Date(this.#wall + this.#now - this.#start);
  }

  after(ms: number, run: () => void): () => void {
    const timer = { due: this.#now + Math.max(0, ms), run };
    this.#timers.add(timer);
    for (const check of this.#watchers) check();
    return () => this.#timers.delete(timer);
  }

  /** How many timers are set and not yet due. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Resolves as soon as at least `count` timers are set: the code under test has begun to wait. */
  armed(count = 1): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.#timers.size < count) return;
        this.#watchers.delete(check);
        resolve();
      };
      this.#watchers.add(check);
      check();
    });
  }

  /**
   * Moves time on by `ms` milliseconds and runs the timers that fall due, in the order of their time and, where
   * that is equal, of their making. A timer set by another one runs too if it is due within the same advance.
   */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#timers.delete(timer);
      this.#now = timer.due;
      timer.run();
    }
    this.#now = end;
  }

  #next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.due <= end && (first === undefined || timer.due < first.due)) first = timer;
    }
    return first;
  }
}
