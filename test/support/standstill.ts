import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Longer than this process may stand still: what answers or waits in it then seems to hang, and a failure is the machine's. */
export const STANDSTILL_MS = 100;

/**
 * Watches how long this process stands still at most.
 * @returns ends it; that time in milliseconds
 */
export function watchStandstill(): () => number {
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  return () => {
    loop.disable();
    return Math.round(loop.max / 1e6);
  };
}
