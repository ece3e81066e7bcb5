import type { Stopper } from './app/contracts.ts';
import type { Examination, HaproxyExamined } from './doctor/examination.ts';
import { attempt, readout } from './doctor/readout.ts';
import { type SameProcess, serversOf } from './same-process.ts';

/** Which process serves each server that a HAProxy shows at another port of this machine: for `doctor`, which judges it. */
export async function readHostServers(
  haproxies: readonly Pick<HaproxyExamined, 'config' | 'survey'>[],
  ports: Omit<SameProcess, 'log'>,
  signal: AbortSignal,
): Promise<Examination['hostServers']> {
  const { stopper } = ports;
  const named = { ...ports, stopper: stopper ?? NAMES_NONE };
  const each = haproxies.map(async ({ config: { address }, survey }): Promise<Examination['hostServers']> => {
    const servers = survey.ok ? (survey.value.onOurHost ?? []) : [];
    if (servers.length === 0) return [];
    const read = await attempt(() => serversOf(servers, named, signal));
    return servers.map(({ name, of, servedAt }, at) => {
      const served = read.ok ? readout(read.value[at] ?? 'unknown') : read;
      return { balancer: address, name, of, servedAt, served };
    });
  });
  return (await Promise.all(each)).flat();
}

/** Without a way to stop the application no process is known to be it. */
const NAMES_NONE: Pick<Stopper, 'check'> = {
  check: async () => ({ code: 'config', unproven: 'nothing names the process of the application' }),
};
