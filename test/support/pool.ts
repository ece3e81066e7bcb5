import { join } from 'node:path';
import type { Result } from '../../agent/lifecycle/model/api.ts';
import type { Haproxy } from './haproxy.ts';
import { type Agent, patience } from './rig.ts';
import type { SiteNode } from './site.ts';
import { createUsers, type Users } from '../fixtures/users.ts';
import { type Fleet, openFleet, type Sections } from './fleet/fleet.ts';

/** A fleet behind one HAProxy whose nodes share a lock. */
export interface Pool {
  readonly haproxy: Haproxy;
  readonly nodes: readonly PoolNode[];
  readonly dir: string;
  /** Users with sessions, over all nodes. */
  users(population: number): Users;
  /** Looks at HAProxy every 50 ms until it is ended. */
  watch(): Watch;
  close(): Promise<void>;
}

export interface PoolNode extends SiteNode {
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
  readonly sections?: (node: SiteNode, dir: string) => Sections;
}

/** Starts everything; resolves once all serve. */
export async function openPool({ size, pool, lock, sections }: PoolOptions): Promise<Pool> {
  const fleet = await openFleet({
    nodes: size,
    sections: (node, dir) => ({
      pool: { name: 'app', ...pool },
      lock: lock?.(dir) ?? { file: join(dir, 'pool.lock') },
      ...sections?.(node, dir),
    }),
  });
  const [haproxy] = fleet.haproxies;
  const [url] = fleet.urls;
  if (haproxy === undefined || url === undefined) throw new Error('the fleet has no HAProxy');
  return {
    haproxy,
    dir: fleet.dir,
    nodes: fleet.nodes.map((node) => nodeOf(fleet, node)),
    users: (population) => createUsers({ url, population, thinkMs: 150, stayMs: 1_500 }),
    watch: () => watch(fleet),
    close: () => fleet.close(),
  };
}

function nodeOf(fleet: Fleet, node: SiteNode): PoolNode {
  return {
    ...node,
    get agent() {
      return fleet.agent(node.name);
    },
    restart: () => fleet.startAgent(node.name),
    async ask(operation, terms = {}) {
      const agent = fleet.agent(node.name);
      const answer = await agent.client.submit({ operation, reason: 'rolling', ...terms }, patience());
      return answer.accepted ? endOf(agent, answer.id) : answer.result;
    },
  };
}

/** The operations of all nodes come one after the other, and a sidecar that a test has stopped answers later. */
const LONGEST_MS = 120_000;

async function endOf(agent: Agent, id: string): Promise<Result> {
  const late = performance.now() + LONGEST_MS;
  for (;;)
    try {
      return await agent.ends(id);
    } catch (error) {
      if (performance.now() > late) throw error;
    }
}

function watch(fleet: Fleet): Watch {
  const sampling = fleet.sample();
  return {
    async end() {
      const sampler = await sampling;
      await sampler.stop();
      return { looks: sampler.samples.length, fenced: sampler.mostFenced(), out: sampler.mostOut() };
    },
  };
}

/** HAProxy's status of each server of the backend: `UP`, `DRAIN`, `MAINT`... */
export async function serverStatuses(haproxy: Haproxy): Promise<readonly string[]> {
  const csv = await haproxy.command('show stat app 4 -1');
  return [...csv.matchAll(/^app,app\d,(?:[^,]*,){15}([^,]*),/gm)].map(([, status = '']) => status);
}
