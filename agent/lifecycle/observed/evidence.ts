import { howMany } from '../model/how-many.ts';
import type { Policy } from '../model/policy.ts';
import type { Health } from '../model/state.ts';
import type { LifeSigns } from '../model/observation.ts';

/**
 * The end of a process, or of a stop command, does not prove the end of the application: another process may have
 * replaced it, started by an operator or not named by a pid file.
 * @returns the signs that the application lives, each a short text; empty = none
 */
export function evidenceOfLife(
  policy: Pick<Policy, 'hasProbe' | 'appSources'>,
  health: Health,
  { counts, open, processes, servers }: LifeSigns,
): string[] {
  const checked = servers.flatMap(({ balancer, view: { name, admin, check } }) =>
    // In MAINT HAProxy checks nothing, and shows what it found before.
    check === undefined || admin === 'maint'
      ? []
      : [`${balancer}: ${name} is up by HAProxy's check (${check})`],
  );
  // A stick table or session files outlive the application: their count is its users, or what a crash has left of
  // them. Where a probe finds it down, it is the latter.
  const isSeenDown = policy.hasProbe && health === 'down';
  const counted = Object.entries(counts)
    .filter(([source, count]) => policy.appSources.includes(source) || (count > 0 && !isSeenDown))
    .map(([source, count]) => `${source} counts ${howMany(count, 'session')}`);
  return [
    // A probe without a verdict has not shown that the application is down.
    ...(policy.hasProbe && health !== 'down' ? [`probe: ${health}`] : []),
    ...checked,
    ...open.map((address) => `${address} takes connections`),
    ...processes.map((pid) => `process ${pid}, which listened at its port, lives`),
    ...counted,
  ];
}
