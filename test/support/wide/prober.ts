import { judge, UNKNOWN, type Verdict } from '../../../agent/probes/verdict.ts';
import type { Timeline } from '../world/timeline.ts';
import type { SimApp } from './app.ts';

const EVERY_MS = 2_000;
export const RISE = 2;
const FALL = 3;

/** The prober as the engine has it, with the product's own verdict: it tells changes, and nothing else. */
export interface Prober {
  begin(tell: (verdict: Verdict) => void): void;
  reset(): void;
  stop(): void;
  /** How many good probes in a row, up to the latest, were begun at or after `since`. */
  goodSince(since: number): number;
}

export function createProber(time: Timeline, app: SimApp): Prober {
  let verdict = UNKNOWN;
  let tell: (verdict: Verdict) => void = () => undefined;
  let good: number[] = [];
  let cancel = (): void => undefined;

  const ask = (): void => {
    cancel();
    const begun = time.now;
    cancel = time.after(time.between(0.5, 30), () => {
      const answer =
        app.main === null || !app.healthy
          ? ({ kind: 'unhealthy', reason: 'refused' } as const)
          : app.signedOutAt !== null
            ? ({ kind: 'signed-out' } as const)
            : ({ kind: 'healthy' } as const);
      good = answer.kind === 'unhealthy' ? [] : [...good.slice(-8), begun];
      const before = verdict;
      verdict = judge(verdict, answer, { rise: RISE, fall: FALL });
      cancel = time.after(EVERY_MS, ask);
      if (before.health !== verdict.health || before.signedOut !== verdict.signedOut) tell(verdict);
    });
  };

  return {
    begin(to) {
      tell = to;
      verdict = UNKNOWN;
      good = [];
      ask();
    },
    reset() {
      verdict = UNKNOWN;
      ask();
    },
    stop() {
      cancel();
      tell = () => undefined;
    },
    goodSince: (since) => good.filter((begun) => begun >= since).length,
  };
}
