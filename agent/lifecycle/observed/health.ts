import type { Policy } from '../model/policy.ts';
import type { State } from '../model/state.ts';
import { allServersOf, emit, patch, type Draft } from '../step-draft.ts';

/** How the application is, by its probes, and what waits for that (I15). */

/**
 * Resets the known health: probes begun before this never count. Every return begins with it, so `health` is newer
 * than the return.
 */
export function askAnew(draft: Draft): void {
  emit(draft, { type: 'reset-probe' });
  patch(draft, { health: 'unknown' });
}

/** By its probes; where there is no probe nothing is held against it. */
export function isHealthy({ policy, state }: Pick<Draft, 'policy' | 'state'>): boolean {
  return !policy.hasProbe || state.health === 'up';
}

export function notHealthy({ state: { health } }: Pick<Draft, 'state'>): string {
  return `the application is not healthy by its probe (${health})`;
}

/** MAINT was written in this outing, at one server at least: the health of the application behind it is not known. */
export function wasFenced(state: State): boolean {
  // By a name that the configuration has lost since, also where an operator holds that server now.
  return (
    state.outing?.fencedBefore === true ||
    allServersOf(state).some(({ server }) => server.everWritten.includes('maint'))
  );
}

/**
 * May READY be written? Over our fence only to an application that probes have found healthy since the return
 * began. A node that was never fenced waits for no probe.
 */
export function mayTakeUsers(policy: Policy, state: State): boolean {
  return isHealthy({ policy, state }) || !wasFenced(state);
}
