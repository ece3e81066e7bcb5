import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startHaproxy, type Haproxy } from './haproxy.ts';
import { createLegacyNode } from './legacy-node.ts';
import { freePort } from './ports.ts';
import { type Agent, agentOf, column, patience } from './rig.ts';
import { packageRoot } from './sample.ts';
import { startSidecar } from './sidecar.ts';
import type { SiteNode } from './site.ts';
import { makeTempDir } from './tempdir.ts';

/** The sample for a HAProxy that only asks health ports, as a path. */
export const HEALTH_SAMPLE = join(packageRoot(), 'haproxy', 'health-port.cfg');

const NAMES = ['app1', 'app2'] as const;
export type NodeName = (typeof NAMES)[number];

/** Two legacy nodes with a sidecar each, behind haproxy/health-port.cfg; its third server has no process. */
export interface HealthSite {
  readonly url: string;
  readonly haproxy: Haproxy;
  /** The socket of the sample itself, and the file that its reload leaves to the next process. */
  readonly socket: string;
  readonly stateFile: string;
  /** The sidecars as they were at first. */
  readonly agents: Readonly<Record<NodeName, Agent>>;
  /** Starts a node's sidecar again, with the same configuration. */
  sidecar(name: NodeName): Promise<Agent>;
  /** One figure of `show stat` about a node. */
  stat(name: NodeName, figure: string): Promise<string>;
  close(): Promise<void>;
}

/**
 * Starts everything; resolves once nodes, sidecars and HAProxy answer.
 * @param inter HAProxy's pause between two checks; without it the sample's own
 */
export async function openHealthSite(inter?: string): Promise<HealthSite> {
  const temp = await makeTempDir();
  const ends: (() => Promise<void>)[] = [() => temp.remove()];
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0).toReversed()) await end();
  };
  const make = async (name: NodeName): Promise<{ readonly node: SiteNode; readonly healthPort: number }> => {
    const node = {
      ...createLegacyNode({ name, port: await freePort(), dir: temp.path }),
      agentPort: await freePort(),
    };
    ends.push(() => node.kill());
    await node.start();
    await node.untilServing(patience());
    return { node, healthPort: await freePort() };
  };
  const start = async ({ node, healthPort }: Awaited<ReturnType<typeof make>>): Promise<Agent> => {
    const sections = {
      balancers: [{ health: { from: ['127.0.0.1/32'] } }],
      listen: { health: `127.0.0.1:${healthPort}`, control: join(temp.path, `${node.name}.sock`) },
    };
    const place = { dir: temp.path, haproxy: { socket: '' } };
    const sidecar = await startSidecar(place, node, patience(), { quiet: '0s', sections });
    ends.push(() => sidecar.kill());
    return agentOf(sidecar);
  };
  try {
    const nodes = { app1: await make('app1'), app2: await make('app2') };
    const agents = { app1: await start(nodes.app1), app2: await start(nodes.app2) };
    const listen = `127.0.0.1:${await freePort()}`;
    const [socket, stateFile] = [join(temp.path, 'lb.sock'), join(temp.path, 'server-state')];
    const haproxy = await startSample({
      LB_UNPRIVILEGED: '1',
      LB_LISTEN: listen,
      LB_SOCKET: socket,
      LB_STATE: stateFile,
      APP1: `127.0.0.1:${nodes.app1.node.port}`,
      APP2: `127.0.0.1:${nodes.app2.node.port}`,
      APP3: '127.0.0.1:1',
      APP1_HEALTH: String(nodes.app1.healthPort),
      APP2_HEALTH: String(nodes.app2.healthPort),
      APP3_HEALTH: '1',
      ...(inter === undefined ? {} : { CHECK_INTER: inter }),
    });
    ends.push(() => haproxy.stop());
    return {
      url: `http://${listen}`,
      haproxy,
      socket,
      stateFile,
      agents,
      sidecar: (name) => start(nodes[name]),
      stat: async (name, figure) => (await column(haproxy, 'app', NAMES.indexOf(name) + 1, figure)) ?? '',
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The shipped file, with its variables set before it reads them. */
async function startSample(values: Readonly<Record<string, string>>): Promise<Haproxy> {
  const sample = await readFile(HEALTH_SAMPLE, 'utf8');
  const lines = Object.entries(values).map(([name, value]) => `  setenv ${name} ${value}\n`);
  return startHaproxy(`global\n${lines.join('')}${sample}`, { master: true });
}
