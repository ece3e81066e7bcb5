import { isHolding } from '../model/desired.ts';
import { asFound } from '../admission/begin.ts';
import type { Phase } from '../model/api.ts';
import { isOutward, PHASES } from '../model/phase.ts';
import { isSeenGone } from '../model/state.ts';
import { released } from '../model/server-state.ts';
import { mapServers, patchOuting, type Draft, warn } from '../step-draft.ts';
import { viewOf } from '../observed/counts.ts';

/**
 * Servers that the configuration gained while the node is out (I17): they are taken in at the next start, as the first
 * look shows them, and their users are waited for like all others.
 */

/**
 * @param to the phase in which the record left the node
 * @returns the phase in which it goes on: where servers were gained, zero and quiet come once more
 */
export function takeGained(draft: Draft, to: Phase): Phase {
  const isGone = isSeenGone(draft.state);
  if (PHASES[to].place === 'rotation' || !takeIn(draft)) return to;
  patchOuting(draft, { forcedOut: false });
  // Behind a dead application there are no users, and on the way back these servers return with the others.
  if (isGone || PHASES[to].place === 'back') return to;
  if (draft.state.outing?.level === 'maint') patchOuting(draft, { level: 'drain' });
  // Whether the stop was carried out is asked first; a hold keeps the phase for its release.
  return isOutward(to) && (isHolding(draft.state) || !draft.state.app.stopIssued) ? 'draining' : to;
}

/** @returns whether there were any */
function takeIn(draft: Draft): boolean {
  const names: string[] = [];
  mapServers(draft, (own, name, balancerName) => {
    if (own.found !== null) return own;
    names.push(`${balancerName}: ${name}`);
    const balancer = draft.state.balancers[balancerName];
    const view = balancer?.error === null ? viewOf(balancer, name) : undefined;
    return { ...released(own), ...asFound(view, false) };
  });
  for (const name of names)
    warn(
      draft,
      `gained ${name}`,
      `${name} is new in the configuration: it is taken in while the node is out`,
    );
  return names.length > 0;
}
