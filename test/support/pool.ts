import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result } from '../../agent/lifecycle/model/api.ts';
import { createUsers, type Users } from '../fixtures/users.ts';
import { startHaproxy, type Haproxy } from './haproxy.ts';
import { createLegacyNode, type LegacyNode } from './legacy-node.ts';
import { freePort } from './ports.ts';
import { agentOf, patience, type Agent } from './rig.ts';
import { startSidecar } from './sidecar.ts';

/** A pool: several nodes behind one HAProxy, each with a sidecar, and one lock. */
export interface Pool {
  readonly haproxy: Haproxy;
  readonly nodes: readonly PoolNode[];
  /** Where users come in. */
  readonly url: string;
  readonly dir: string;
  /** Users with sessions, over all nodes. */
  users(population: number): Users;
  /** Looks at HAProxy every 50 ms until it is ended. */
  watch(): Watch;
  close(): Promise<void>;
}

export interface PoolNode extends LegacyNode {
  readonly agent: Agent;
  /** Starts its sidecar anew, whatever became of the one before. */
  restart(): Promise<Agent>;
  /** Submits a request and waits for its result. */
  ask(operation: 'drain' | 'stop' | 'ready' | 'restart', terms?: object): Promise<Result>;
}

/** What HAProxy showed in the meantime. */
export interface Watch {
  /** Resolves with the most nodes that were in MAINT, and in MAINT or DRAIN, at one look. */
  end(): Promise<{ readonly looks: number; readonly fenced: number; readonly out: number }>;
}

export interface PoolOptions {
  readonly size: number;
  /** The sections `pool` and `lock` of their configurations. */
  readonly pool?: object;
  readonly lock?: (dir: string) => object;
  /** By node: what stands in the place of sections of its configuration. */
  readonly sections?: (node: LegacyNode, dir: string) => Readonly<Record<string, unknown>>;
}

const SAMPLE_MS = 50;

/** Starts everything; resolves once all serve. */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const port = await freePort();
  const names = Array.from({ length: options.size }, (_none, index) => `app${index + 1}`);
  const ports = await Promise.all(names.map(() => freePort()));
  const haproxy = await startHaproxy(configOf(port, names, ports));
  const { dir } = haproxy;
  const nodes: Started[] = [];
  const close = async (): Promise<void> => {
    for (const node of nodes) await node.agent?.kill();
    for (const node of nodes) await node.legacy.kill();
    await haproxy.stop();
  };
  try {
    for (const [index, name] of names.entries()) {
      const legacy = createLegacyNode({ name, port: ports[index] ?? 0, dir, warmMs: 200 });
      nodes.push({ legacy, agentPort: await freePort(), agent: null });
    }
    await Promise.all(nodes.map(({ legacy }) => legacy.start()));
    await Promise.all(nodes.map(({ legacy }) => legacy.untilServing(patience())));
    const all = nodes.map((node) => nodeOf(node, haproxy, options));
    for (const node of all) await node.restart();
    return {
      haproxy,
      dir,
      nodes: all,
      url: `http://127.0.0.1:${port}`,
      users: (population) =>
        createUsers({ url: `http://127.0.0.1:${port}`, population, thinkMs: 150, stayMs: 1_500 }),
      watch: () => watch(haproxy),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Started {
  readonly legacy: LegacyNode;
  readonly agentPort: number;
  agent: Agent | null;
}

function nodeOf(started: Started, haproxy: Haproxy, { pool, lock, sections }: PoolOptions): PoolNode {
  const { legacy, agentPort } = started;
  const { dir } = haproxy;
  const agent = (): Agent => {
    if (started.agent === null) throw new Error(`${legacy.name} has no sidecar`);
    return started.agent;
  };
  return {
    ...legacy,
    get agent() {
      return agent();
    },
    async restart() {
      const shared = {
        pool: { name: 'app', ...pool },
        lock: lock?.(dir) ?? { file: join(dir, 'pool.lock') },
        ...sections?.(legacy, dir),
      };
      const options = { quiet: '100ms', sections: shared };
      started.agent = agentOf(
        await startSidecar({ dir, haproxy }, { ...legacy, agentPort }, patience(), options),
      );
      return started.agent;
    },
    async ask(operation, terms = {}) {
      const asked = agent();
      const answer = await asked.client.submit({ operation, reason: 'rolling', ...terms }, patience());
      return answer.accepted ? asked.ends(answer.id) : answer.result;
    },
  };
}

function configOf(port: number, names: readonly string[], ports: readonly number[]): string {
  const servers = names.map(
    (name, index) => `  server ${name} 127.0.0.1:${ports[index]} cookie ${name} check inter 200ms\n`,
  );
  return (
    'defaults\n  mode http\n  option httpchk GET /health\n  timeout connect 1s\n  timeout client 30s\n  timeout server 30s\n' +
    `frontend web\n  bind 127.0.0.1:${port}\n  default_backend app\n` +
    `backend app\n  balance roundrobin\n  cookie SRV insert indirect nocache\n${servers.join('')}`
  );
}

function watch(haproxy: Haproxy): Watch {
  const most = { looks: 0, fenced: 0, out: 0 };
  let isOver = false;
  const look = async (): Promise<void> => {
    while (!isOver) {
      const statuses = await serverStatuses(haproxy);
      const fenced = statuses.filter((status) => status.startsWith('MAINT')).length;
      const out = statuses.filter((status) => /^(?:MAINT|DRAIN)/.test(status)).length;
      most.looks += 1;
      most.fenced = Math.max(most.fenced, fenced);
      most.out = Math.max(most.out, out);
      await sleep(SAMPLE_MS);
    }
  };
  const looking = look();
  return {
    async end() {
      isOver = true;
      await looking;
      return most;
    },
  };
}

/** HAProxy's status of each server of the backend: `UP`, `DRAIN`, `MAINT`... */
export async function serverStatuses(haproxy: Haproxy): Promise<readonly string[]> {
  const csv = await haproxy.command('show stat app 4 -1');
  return [...csv.matchAll(/^app,app\d,(?:[^,]*,){15}([^,]*),/gm)].map(([, status = '']) => status);
}
