import type { State } from '../model/state.ts';
import { viewOf } from './counts.ts';

/** @returns one short text for each server whose share of new users still rises, or whose weight is not back yet */
export function risingWeights({ balancers }: State): string[] {
  return Object.entries(balancers).flatMap(([balancerName, balancer]) =>
    Object.entries(balancer.servers).flatMap(([name, { ramp }]) => {
      if (ramp === null) return [];
      const { weight = null, throttle } = viewOf(balancer, name) ?? {};
      const share =
        ramp.by === 'slowstart' && throttle !== undefined
          ? `is at ${throttle} % by HAProxy's slowstart`
          : `has weight ${weight ?? 'unknown'} of ${ramp.full}`;
      return [`${balancerName}: ${name} ${share}`];
    }),
  );
}
