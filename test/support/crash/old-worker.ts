import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Agent, patience } from '../rig.ts';
import { until } from '../until.ts';
import type { CrowdedSite } from '../crowded-site.ts';

/** A request of the node that the worker of before a reload serves: HAProxy's master alone can be asked for it. */
export interface OldWorker {
  /**
   * Lets it end once that sidecar has counted it while it drains; early, and without that, where the sidecar ends.
   * @param agent null: at once
   */
  letEnd(agent: Agent | null): Promise<void>;
  /** Called when the operation is over: what is wrong, as that it was over before this request, or has cut it. */
  judge(): Promise<readonly string[]>;
}

const WHOLE = 'halfhalf';

/** Begins the request, and reloads HAProxy. */
export async function openOldWorker({ site, node }: CrowdedSite): Promise<OldWorker> {
  const request = get(`${site.url}/download`, { headers: { cookie: `SRV=${node.name}` }, agent: false });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const body = text(answer).catch((error: Error) => error.message);
  let isReleased = false;
  await site.haproxy.reload(false);
  return {
    async letEnd(agent) {
      if (isReleased || (agent !== null && !(await isCounted(agent)))) return;
      isReleased = true;
      await (await fetch(`${node.url}/finish`, { signal: patience() })).text();
    },
    async judge() {
      if (!isReleased) return ['it was over while the old worker had a request'];
      const seen = await body;
      return seen === WHOLE ? [] : [`the request of the old worker was cut: ${JSON.stringify(seen)}`];
    },
  };
}

/** False where the sidecar has ended before. */
async function isCounted(agent: Agent): Promise<boolean> {
  let isAlive = true;
  void agent.ended.then(() => (isAlive = false));
  const seen = await until('the request of the old worker is counted', async () => {
    if (!isAlive) return 'ended';
    return (await countsIt(agent)) && 'counted';
  });
  return seen === 'counted';
}

/** A sidecar that is being killed does not answer. */
async function countsIt({ client }: Agent): Promise<boolean> {
  const status = await client.status(patience()).catch(() => null);
  const [balancer] = status?.balancers ?? [];
  const isOld = (balancer?.workers ?? 0) > 1 && (balancer?.servers[0]?.connections ?? 0) > 0;
  return status?.phase === 'draining' && isOld;
}
