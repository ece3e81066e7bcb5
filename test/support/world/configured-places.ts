import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { Phase } from '../../../agent/lifecycle/model/api.ts';
import { type Scene, scene } from './scene.ts';

/** Sidecars that start again with other balancers and servers in their configuration. */

type Balancers = Policy['balancers'];

export const lb = (name: string, ...servers: string[]): Balancers[number] => ({
  name,
  servers,
  counts: true,
  seesOldWorkers: true,
});

export const ONE: Balancers = [lb('lb1', 'app/app1')];

export const TWO: Balancers = [...ONE, lb('lb2', 'app/app1')];

export const BACKENDS: Balancers = [lb('lb1', 'app/app1', 'api/app1')];

/** HAProxy has what either configuration names; the sidecar starts with the first. */
export function between(before: Balancers, after: Balancers, changes: Partial<Policy> = {}): Scene {
  const all = (before.length > after.length ? before : after).map(({ name, ...lists }) => ({
    ...lists,
    name,
    servers: [...new Set([...before, ...after].flatMap((one) => (one.name === name ? one.servers : [])))],
  }));
  return scene({ ...changes, balancers: before }, undefined, all);
}

export const at = (it: Scene, balancer: string, server = 'app/app1'): string =>
  it.site.balancer(balancer).server(server).admin;

export const alarms = (it: Scene): string => Object.values(it.sidecar.state.alarms).join('\n');

/** Lets time pass until the intent of that phase is on disk. */
export function inPhase(it: Scene, phase: Phase): void {
  it.reach(phase);
  it.until('its intent on disk', () => it.sidecar.state.saved >= it.sidecar.state.intentSave);
}

/** A user at the second balancer, counted only there. */
export function busy(it: Scene, balancer = 'lb2'): { leave(): void } {
  const server = it.site.balancer(balancer).server('app/app1');
  server.serving = 1;
  return {
    leave() {
      server.serving = 0;
    },
  };
}
