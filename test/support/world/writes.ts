import { statusOf } from '../../../agent/lifecycle/report/status.ts';
import type { Scene } from './scene.ts';

/** The one server of a scene: how it is, how `status` shows it, and what was written to it. */

export const server = (it: Scene) => it.lb.server('app/app1');

export const shown = (it: Scene) => {
  const outlook = { eta: null, etaReason: null, curve: [] };
  const status = statusOf(it.policy, it.sidecar.state, outlook, it.time.now, () => '');
  return status.balancers[0]?.servers[0];
};

/** The states that were asked of the balancer, in their order; a state that is asked again at once is there once. */
export const adminsWritten = ({ effects }: Pick<Scene, 'effects'>): string[] =>
  effects
    .flatMap((effect) => (effect.type === 'set-server' ? [effect.admin] : []))
    .filter((admin, index, all) => admin !== all[index - 1]);
