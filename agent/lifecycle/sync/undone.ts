import type { ServerState } from '../model/server-state.ts';
import { alarm, patchServer, type Draft, warn } from '../step-draft.ts';
import { sameWorker, type ServerView } from '../model/observation.ts';

/**
 * Another program that undoes what we set, again and again: most often an agent-check of the application's own, whose
 * `ready` ends every DRAIN and MAINT at each poll (BEHAVIOUR.md#agent-check-and-operators).
 */

/** A single loss may be an operator's command. */
const AGAIN = 2;
/** After so long without another loss the alarm ends. */
const OVER_MS = 30_000;

const subject = (balancerName: string, name: string): string => `undone ${balancerName} ${name}`;

/**
 * Our state was lost: counted where no reload explains it, and from the second time on the warning names the
 * agent-check.
 */
export function onLoss(
  draft: Draft,
  balancerName: string,
  { name, agent }: ServerView,
  own: ServerState,
): void {
  const { undone, applied } = own;
  if (applied === null || !sameWorker(applied.worker, draft.state.balancers[balancerName]?.worker ?? null))
    return;
  const times = undone.times + 1;
  patchServer(draft, balancerName, name, { undone: { times, at: draft.at } });
  if (times < AGAIN || agent === undefined) return;
  const text =
    `${balancerName}: ${name}: ${applied.admin.toUpperCase()} is undone again and again without a reload, and an agent-check answers ` +
    `for this server (${agent}): \`ready\` in its answer ends DRAIN and MAINT at every poll; take \`ready\` out of its ` +
    `answers, or \`disable agent ${name}\` at HAProxy until the node is back`;
  if (draft.state.op) warn(draft, subject(balancerName, name), text);
  alarm(draft, subject(balancerName, name), text);
}

/** Takes the alarm off when nothing is ours there any more, or nothing was undone for a while. */
export function noteUndone(
  draft: Draft,
  balancerName: string,
  { name }: ServerView,
  { found, undone }: ServerState,
): void {
  if (undone.times > 0 && draft.at - undone.at > OVER_MS)
    patchServer(draft, balancerName, name, { undone: { times: 0, at: 0 } });
  else if (found !== null) return;
  alarm(draft, subject(balancerName, name), null);
}
