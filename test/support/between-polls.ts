import type { Admin } from '../../agent/lifecycle/model/observation.ts';
import { cellOf, type Haproxy } from './haproxy.ts';

/**
 * An operator's write to app/app1, the first of its backend, at a moment at which no agent-check is under way: the
 * answer to one, meant for the state of before, would replace the operator's.
 * @param before the state that the server has
 */
export async function betweenPolls(haproxy: Haproxy, state: Admin, before: Admin): Promise<void> {
  for (;;) {
    // One line, so that no check begins between the look and the word.
    const answer = await haproxy.command(`show stat app 4 1;set server app/app1 state ${state}`);
    // A star stands before the last status while the next check is under way.
    if (!cellOf(answer, 'agent_status')?.startsWith('*')) return;
    await haproxy.command(`set server app/app1 state ${before}`);
  }
}
