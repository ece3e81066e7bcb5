import { PHASES } from '../lifecycle/model/phase.ts';
import type { LiveProof } from './diagnosis.ts';
import type { Examination } from './examination.ts';
import { unproven } from './live.ts';
import { NO_SIDECAR } from './readout.ts';

/** @returns why this setup, as it was read, is not put to DRAIN on trial; null = it may be */
export function whyNoTrial({ config, haproxies, sidecar }: Examination): LiveProof | null {
  const servers = haproxies.flatMap((one) => (one.servers.ok ? one.servers.value : []));
  if (servers.every(({ cookie }) => cookie === null))
    return untried('HAProxy binds no user of this node by a cookie');
  if (config.balancers.some((one) => one.kind !== 'haproxy' || one.writer !== 'runtime'))
    return untried('not every balancer is set by its Runtime API');
  if (!sidecar.ok)
    return sidecar.code === NO_SIDECAR
      ? null
      : untried(`whether a sidecar is at work is not known (${sidecar.why})`);
  const { phase } = sidecar.value;
  if (PHASES[phase].place === 'rotation') return null;
  return untried(`the sidecar is at work on this node (phase ${phase})`);
}

function untried(why: string): LiveProof {
  return unproven(`${why}: no drain was tried`);
}
