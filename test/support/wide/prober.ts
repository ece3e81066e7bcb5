import { judge, UNKNOWN, type Verdict } from '../../../agent/probes/verdict.ts';
import type { ProbePace } from '../../../agent/probes/prober.ts';
import type { Timeline } from '../world/timeline.ts';
import type { SimApp } from './app.ts';

const EVERY_MS = 2_000;
const WARMING_EVERY_MS = 250;
export const RISE = 2;
const FALL = 3;

/** The prober as the engine has it, with the product's own verdict: it tells changes, and nothing else. */
export interface Prober {
  begin(tell: (verdict: Verdict) => void): void;
  reset(): void;
  setPace(pace: ProbePace): void;
  stop(): void;
  /** How many good probes in a row were begun at or after `since`, unless `fall` bad ones in a row came after them. */
  goodSince(since: number): number;
}

export function createProber(time: Timeline, app: SimApp): Prober {
  let verdict = UNKNOWN;
  let tell: (verdict: Verdict) => void = () => undefined;
  let good: number[] = [];
  /** The last `rise` or more, which fewer than `fall` bad ones do not undo. */
  let risen: number[] = [];
  let bad = 0;
  let everyMs = EVERY_MS;
  let endedAt: number | null = null;
  let cancel = (): void => undefined;

  const pause = (since: number): void => {
    cancel();
    cancel = time.after(Math.max(0, since + everyMs - time.now), ask);
  };
  const ask = (): void => {
    cancel();
    const startedAt = time.now;
    endedAt = null;
    cancel = time.after(time.between(0.5, 30), () => {
      const answer =
        app.main === null || !app.healthy
          ? ({ kind: 'unhealthy', reason: 'refused' } as const)
          : app.signedOutAt !== null
            ? ({ kind: 'signed-out' } as const)
            : ({ kind: 'healthy' } as const);
      bad = answer.kind === 'unhealthy' ? bad + 1 : 0;
      good = bad > 0 ? [] : [...good.slice(-8), startedAt];
      if (good.length >= RISE) risen = good;
      if (bad >= FALL) risen = [];
      const before = verdict;
      verdict = judge(verdict, answer, startedAt, { rise: RISE, fall: FALL });
      endedAt = time.now;
      pause(endedAt);
      if (before.health !== verdict.health || before.signedOut !== verdict.signedOut) tell(verdict);
    });
  };

  return {
    begin(to) {
      tell = to;
      verdict = UNKNOWN;
      good = [];
      risen = [];
      bad = 0;
      everyMs = EVERY_MS;
      ask();
    },
    reset() {
      verdict = UNKNOWN;
      ask();
    },
    setPace(pace) {
      const next = pace === 'warming' ? WARMING_EVERY_MS : EVERY_MS;
      if (next === everyMs) return;
      everyMs = next;
      if (endedAt !== null) pause(endedAt);
    },
    stop() {
      cancel();
      endedAt = null;
      tell = () => undefined;
    },
    goodSince: (since) =>
      Math.max(...[good, risen].map((all) => all.filter((startedAt) => startedAt >= since).length)),
  };
}
