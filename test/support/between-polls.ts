import type { Admin } from '../../agent/lifecycle/view.ts';
import type { Haproxy } from './haproxy.ts';

/**
 * An operator's word for a server of `app`, at a moment at which no agent-check is under way: the answer to one, meant
 * for the state of before, would come over his word.
 * @param before the state that the server has
 */
export async function betweenPolls(
  haproxy: Haproxy,
  server: string,
  state: Admin,
  before: Admin,
): Promise<void> {
  const word = (admin: Admin): string => `set server app/${server} state ${admin}`;
  // One line, so that no check begins between the two.
  const isPolling = async (): Promise<boolean> => {
    const [head = '', ...rows] = (await haproxy.command(`show stat app 4 -1;${word(state)}`)).split('\n');
    const row = rows.map((line) => line.split(',')).find(([, name]) => name === server);
    const status = row?.[head.split(',').indexOf('agent_status')];
    if (status === undefined) throw new Error(`no agent_status of ${server}: ${head}`);
    // A star stands before the last one while the next is under way.
    return status.startsWith('*');
  };
  while (await isPolling()) await haproxy.command(word(before));
}
