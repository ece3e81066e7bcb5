import { setTimeout as sleep } from 'node:timers/promises';
import type { Sidecar } from '../support/sidecar.ts';
import type { Site } from '../support/site.ts';
import type { Way } from './round.ts';

/** A careful restart of today: the next node only after HAProxy shows this one UP. */
export function naiveWay(site: Site): Way {
  return {
    name: 'SIGTERM and start',
    title: 'Round 1 of 2: SIGTERM and start',
    async restart(node, doing, signal) {
      doing('SIGTERM');
      await node.terminate(signal);
      doing('starting');
      await node.start();
      await node.untilServing(signal);
      doing('until HAProxy says UP');
      while (!(await site.statuses()).get(node.name)?.startsWith('UP')) {
        await sleep(100, undefined, { signal });
      }
    },
  };
}

/** `lastcall restart` on each node, by its own sidecar. */
export function lastcallWay(sidecars: ReadonlyMap<string, Sidecar>): Way {
  return {
    name: 'lastcall restart',
    title: 'Round 2 of 2: lastcall restart',
    async restart(node, doing, signal) {
      const sidecar = sidecars.get(node.name);
      if (sidecar === undefined) throw new Error(`no sidecar for ${node.name}`);
      doing('lastcall restart --reason demo');
      const outcome = await sidecar.lastcall(['restart', '--json', '--reason', 'demo'], signal);
      if (outcome.code === 0) return;
      throw new Error(
        `lastcall restart of ${node.name} ended with ${String(outcome.code)}: ` +
          `${outcome.stderr}${outcome.stdout}\nits sidecar's log:\n${sidecar.log()}`,
      );
    },
  };
}
