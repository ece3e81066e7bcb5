import { cgroupOf } from './process.ts';

/** The systemd unit in whose control group a process runs. */
export interface ProcessUnit {
  /** `tomcat10.service`, `session-3.scope` */
  readonly name: string;
  /** `user`: of a user's own systemd, which `systemctl --system` does not know. */
  readonly manager: 'system' | 'user';
}

const UNIT = /\.(service|scope)$/;

/**
 * By the name of the control group, which any user may read (systemd.resource-control(5): `/a.slice/a-b.slice/NAME.service`).
 * @returns null for a process without one: a container's, a machine's without systemd, one that has ended
 */
export function unitOf(pid: number): ProcessUnit | null {
  const units = cgroupOf(pid).flatMap((path) => unitIn(path) ?? []);
  return units[0] ?? null;
}

/** The unit in the path of a control group; null where it has none. */
export function unitIn(path: string): ProcessUnit | null {
  const parts = path.split('/').filter((part) => part !== '');
  const own = parts.filter((part) => !part.endsWith('.slice'));
  const [first, second] = own;
  if (first === undefined || !UNIT.test(first)) return null;
  if (!/^user@\d+\.service$/.test(first)) return { name: first, manager: 'system' };
  return second !== undefined && UNIT.test(second)
    ? { name: second, manager: 'user' }
    : { name: first, manager: 'system' };
}
