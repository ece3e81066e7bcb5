import type { State } from '../../../agent/lifecycle/model/state.ts';

/** What came to pass in a campaign, or in many: whether the world is as wide as it is meant to be. */
export interface Coverage {
  readonly steps: number;
  /** How often each thing was met: `phase draining` in steps, `draining -> settling`, `deed click`, `code done`, `served`. */
  readonly met: ReadonlyMap<string, number>;
  step(phase: State['phase']): void;
  /** @param what for instance `deed click` */
  meet(what: string, times?: number): void;
}

export function createCoverage(): Coverage {
  const met = new Map<string, number>();
  const phases = new Map<string, number>();
  let steps = 0;
  const add = (all: Map<string, number>, what: string, times: number): void =>
    void all.set(what, (all.get(what) ?? 0) + times);
  return {
    get steps() {
      return steps;
    },
    get met() {
      return new Map([...met, ...[...phases].map(([phase, times]) => [`phase ${phase}`, times] as const)]);
    },
    step(phase) {
      steps += 1;
      add(phases, phase, 1);
    },
    meet: (what, times = 1) => add(met, what, times),
  };
}
