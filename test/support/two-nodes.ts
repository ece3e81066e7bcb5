import type { Result } from '../../agent/lifecycle/model/api.ts';
import { startHaproxy, type Haproxy } from './haproxy.ts';
import { freePort } from './ports.ts';
import { agentOf, patience, type Agent } from './rig.ts';
import { startSidecar, type Sidecar } from './sidecar.ts';
import { createLegacyNode } from './legacy-node.ts';

/** Two nodes behind one HAProxy, each with a sidecar that is asked for no more than its server. */
export interface TwoNodes {
  readonly haproxy: Haproxy;
  readonly agents: readonly [Agent, Agent];
  /**
   * Asks both in the same moment to drain, and waits for both results. `bothFenced`: both stood in MAINT at any moment
   * in between; `neither`: no new user could be served at the end.
   */
  race(): Promise<{
    readonly codes: readonly string[];
    readonly bothFenced: boolean;
    readonly neither: boolean;
  }>;
  /** Both in service again. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

const CONFIG =
  'defaults\n  mode http\n  timeout connect 1s\n  timeout client 30s\n  timeout server 30s\n' +
  'backend app\n  cookie SRV insert indirect nocache\n' +
  '  server app1 127.0.0.1:1 cookie app1\n  server app2 127.0.0.1:1 cookie app2\n';

export async function openTwoNodes(): Promise<TwoNodes> {
  const haproxy = await startHaproxy(CONFIG);
  const { dir } = haproxy;
  const sidecars: Sidecar[] = [];
  const close = async (): Promise<void> => {
    for (const sidecar of sidecars) await sidecar.kill();
    await haproxy.stop();
  };
  const agent = async (name: string): Promise<Agent> => {
    const node = {
      ...createLegacyNode({ name, port: await freePort(), dir, warmMs: 0 }),
      agentPort: await freePort(),
    };
    const sections = {
      app: undefined,
      sessions: undefined,
      sticky: false,
      listen: { control: `${dir}/${name}.sock` },
    };
    const sidecar = await startSidecar({ dir, haproxy }, node, patience(), {
      quiet: '0s',
      timeout: '4s',
      sections,
    });
    sidecars.push(sidecar);
    return agentOf(sidecar);
  };
  try {
    const agents = [await agent('app1'), await agent('app2')] as const;
    return { haproxy, agents, race: () => race(haproxy, agents), reset: () => reset(agents), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function race(haproxy: Haproxy, agents: TwoNodes['agents']): ReturnType<TwoNodes['race']> {
  let bothFenced = false;
  let isOver = false;
  const watch = async (): Promise<void> => {
    while (!isOver) {
      const statuses = await statusesOf(haproxy);
      if (statuses.every((status) => status === 'MAINT')) bothFenced = true;
    }
  };
  const watching = watch();
  const results = await Promise.all(agents.map((agent) => ask(agent, 'drain')));
  isOver = true;
  await watching;
  const statuses = await statusesOf(haproxy);
  return { codes: results.map(({ code }) => code), bothFenced, neither: !statuses.includes('no check') };
}

async function ask(agent: Agent, operation: 'drain' | 'ready'): Promise<Result> {
  const answer = await agent.client.submit({ operation, reason: 'race' }, patience());
  return answer.accepted ? agent.ends(answer.id) : answer.result;
}

async function reset(agents: TwoNodes['agents']): Promise<void> {
  await Promise.all(agents.map((agent) => ask(agent, 'ready')));
}

/** HAProxy's status of app1 and app2. */
export async function statusesOf(haproxy: Haproxy): Promise<readonly string[]> {
  const csv = await haproxy.command('show stat app 4 -1');
  return [...csv.matchAll(/^app,app\d,(?:[^,]*,){15}([^,]*),/gm)].map(([, status = '']) => status);
}
