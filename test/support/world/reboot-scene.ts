import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import type { Scene } from './scene.ts';

/** The machine of the simulated world is rebooted, or loses its power. */

export const MINUTE = 60_000;

/** The reboots that were asked for, by the id of their operation. */
export function asked({ effects }: Scene): string[] {
  return effects.flatMap((effect) => (effect.type === 'reboot' ? [effect.id] : []));
}

/**
 * The machine goes off; the first sidecar of the next boot finds the record.
 * @param starts the boot starts the application
 * @param balancer HAProxy is on that machine, and comes up in READY
 */
export function powerCycle(it: Scene, starts = false, balancer = false): void {
  it.sidecar.crash();
  const record = JSON.parse(it.disk.content ?? 'null') as StateRecord;
  it.site.die();
  if (starts) it.site.revive();
  it.time.advance(40_000);
  if (balancer) it.lb.reload(false);
  it.sidecar.boot({ record, fresh: false, sameBoot: false });
}

export function untilAsked(it: Scene): void {
  it.until('the reboot is asked for', () => asked(it).length > 0);
}
