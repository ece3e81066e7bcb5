import type { Timeline } from '../world/timeline.ts';

export type Mode = 'answers' | 'slow' | 'refuses' | 'silent';

/** The way to a balancer: every command takes its time, and may be carried out although its caller has given up. */
export interface Line {
  readonly mode: Mode;
  /** Since when it has answered, or not. */
  readonly modeSince: number;
  setMode(mode: Mode): void;
  /** Carries `work` out and answers with what it gives, or fails; once only, within its driver's deadline. */
  exchange<T>(client: number, work: () => T, answer: (value: T) => void, fail: (error: string) => void): void;
  /** Carries out what this client has sent: commands of a dead sidecar come before those of its successor. */
  settle(client: number): void;
}

/** The drivers give up on a silent HAProxy after so long. */
const DEADLINE_MS = 2_000;

export function createLine(
  time: Timeline,
  { start, tellsElapsed }: { readonly start: Mode; readonly tellsElapsed: boolean },
): Line {
  let mode = start;
  let modeSince = time.now;
  let stuck: (() => void)[] = [];
  const sent = new Map<() => void, number>();
  const pause = (): number => (mode === 'slow' ? time.between(100, 900) : time.between(0.2, 8));
  const elapsed = (): string => (tellsElapsed ? ` (after ${Math.round(time.between(1, 1e6))} ms)` : '');

  return {
    get mode() {
      return mode;
    },
    get modeSince() {
      return modeSince;
    },
    setMode(next) {
      if (next === mode) return;
      mode = next;
      modeSince = time.now;
      if (mode === 'silent') return;
      const waiting = stuck;
      stuck = [];
      for (const carryOut of waiting) carryOut();
    },
    exchange(client, work, answer, fail) {
      let over = false;
      const end = (tell: () => void): void => {
        if (over) return;
        over = true;
        stopWaiting();
        tell();
      };
      const stopWaiting = time.after(DEADLINE_MS, () => end(() => fail(`it did not answer${elapsed()}`)));
      const carryOut = (): void => {
        if (mode === 'refuses') return end(() => fail(`connection refused${elapsed()}`));
        if (mode === 'silent') return void stuck.push(carryOut);
        const value = work();
        time.after(pause(), () => end(() => answer(value)));
      };
      const arrive = (): void => {
        cancel();
        sent.delete(arrive);
        carryOut();
      };
      const cancel = time.after(pause(), arrive);
      sent.set(arrive, client);
    },
    settle(client) {
      for (const [arrive, of] of sent) if (of === client) arrive();
    },
  };
}
