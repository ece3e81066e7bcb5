import { parse } from 'csv-parse/sync';
import { ask } from './haproxy.ts';
import { createLegacyNode, type LegacyNode } from './legacy-node.ts';
import { freePort } from './ports.ts';
import { startSample, type Sample } from './sample.ts';
import { makeTempDir } from './tempdir.ts';

/** Three legacy nodes behind haproxy/haproxy.cfg, on free ports, in a directory of their own. */
export interface Site {
  readonly dir: string;
  /** Where users come in. */
  readonly url: string;
  readonly haproxy: Sample;
  readonly nodes: readonly SiteNode[];
  /** HAProxy's status of each server, by the node's name: `UP`, `DRAIN (agent)`, `MAINT`... */
  statuses(): Promise<ReadonlyMap<string, string>>;
  /** Ends every process and removes the directory. */
  close(): Promise<void>;
}

export interface SiteNode extends LegacyNode {
  /** Where its sidecar is asked by agent-check. */
  readonly agentPort: number;
}

export interface SiteOptions {
  /** From the start of a node's process to its first answer, in milliseconds. */
  readonly warmMs?: number;
  /** After so many milliseconds without a request a session is gone; default never. */
  readonly idleMs?: number;
  /** Between two health checks of HAProxy; default as shipped. */
  readonly checkInter?: string;
  /** false: HAProxy gives a node that comes back its whole share of users at once. */
  readonly slowstart?: boolean;
  /** Each node writes its good answers to /health down (see legacy-node.ts). */
  readonly logsHealth?: boolean;
  /** Each node writes its SIGTERMs down (see legacy-node.ts) and ends so many milliseconds later. */
  readonly termMs?: number;
  /** What the nodes run (see legacy-node.ts). */
  readonly program?: 'legacy-app' | 'fast-app';
}

/** Starts everything; resolves once all three nodes serve and HAProxy answers. */
export async function openSite(options: SiteOptions, signal: AbortSignal): Promise<Site> {
  const temp = await makeTempDir();
  const make = async (name: string): Promise<SiteNode> => ({
    ...createLegacyNode({ ...options, name, port: await freePort(), dir: temp.path }),
    agentPort: await freePort(),
  });
  const nodes = [await make('app1'), await make('app2'), await make('app3')] as const;
  let haproxy: Sample | undefined;
  const close = async (): Promise<void> => {
    await haproxy?.stop();
    await Promise.all(nodes.map((node) => node.kill()));
    await temp.remove();
  };
  try {
    await Promise.all(nodes.map((node) => node.start()));
    await Promise.all(nodes.map((node) => node.untilServing(signal)));
    const listen = `127.0.0.1:${await freePort()}`;
    haproxy = await startSample({
      dir: temp.path,
      listen,
      apps: [host(nodes[0]), host(nodes[1]), host(nodes[2])],
      agents: [nodes[0].agentPort, nodes[1].agentPort, nodes[2].agentPort],
      ...(options.checkInter === undefined ? {} : { checkInter: options.checkInter }),
      ...(options.slowstart === undefined ? {} : { slowstart: options.slowstart }),
    });
    const { socket } = haproxy;
    return {
      dir: temp.path,
      url: `http://${listen}`,
      haproxy,
      nodes,
      statuses: () => statuses(socket),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function host(node: LegacyNode): string {
  return `127.0.0.1:${node.port}`;
}

async function statuses(socket: string): Promise<ReadonlyMap<string, string>> {
  const csv = await ask(socket, 'show stat app 4 -1');
  const rows: Record<string, string>[] = parse(csv.replace(/^# /, ''), {
    columns: true,
    relax_column_count: true,
  });
  return new Map(rows.map((row) => [row['svname'] ?? '', row['status'] ?? '']));
}
