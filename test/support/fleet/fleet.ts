import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '../../../agent/lifecycle/model/api.ts';
import { createUsers, type Report, type Users, type UsersOptions } from '../../fixtures/users.ts';
import { type Haproxy, startHaproxy } from '../haproxy.ts';
import { createLegacyNode } from '../legacy-node.ts';
import { freePort } from '../ports.ts';
import { type Agent, agentOf, patience } from '../rig.ts';
import { startSidecar } from '../sidecar.ts';
import type { SiteNode } from '../site.ts';
import { makeTempDir } from '../tempdir.ts';
import { type AdminSampler, startAdminSampler } from './admin-sampler.ts';

/** Several nodes of one pool behind one HAProxy or more, a sidecar beside each, and sticky users. */
export interface Fleet {
  /** For files of the test; the nodes' records, sockets and configurations are here, too. */
  readonly dir: string;
  readonly haproxies: readonly Haproxy[];
  /** Where users come in, at each of them. */
  readonly urls: readonly string[];
  readonly nodes: readonly SiteNode[];
  /** The living sidecar of a node. @throws Error when it has none */
  agent(name: string): Agent;
  /** Every living sidecar, in the order of the nodes. */
  agents(): readonly Agent[];
  /** Starts the sidecar of a node, once more where the one before was killed or stopped. */
  startAgent(name: string, sections?: Sections): Promise<Agent>;
  /** From now on the command that starts this node's application fails with exit code 1, or is as it was. */
  breakStart(name: string, isBroken: boolean): Promise<void>;
  /** `lastcall WORDS --json` of each sidecar at the same time; waits for every end. In the order of the nodes. */
  all(...words: readonly string[]): Promise<readonly FleetOutcome[]>;
  /** Reads the admin states at every HAProxy each 50 ms from now on; ended by `close` at the latest. */
  sample(): Promise<AdminSampler>;
  /** Lets users in at every HAProxy; resolves when each of them has had an answer. */
  letUsersIn(): Promise<void>;
  /** No new user; all finish and log out. What they went through. */
  usersGo(): Promise<Experience>;
  /** What the users went through so far. */
  experience(): Experience;
  close(): Promise<void>;
}

/** How one node's command ended. */
export interface FleetOutcome {
  readonly node: string;
  readonly exit: number | null;
  readonly result: Result;
}

/** All users together. */
export interface Experience {
  readonly requests: number;
  readonly failed: number;
  readonly lost: number;
  /** The texts of the first failures. */
  readonly failures: readonly string[];
}

/** Sections of a sidecar's configuration, in place of those made here. */
export type Sections = Readonly<Record<string, unknown>>;

export interface FleetOptions {
  /** Default 5. */
  readonly nodes?: number;
  /** HAProxys in front of the same nodes; default 1. */
  readonly balancers?: number;
  /** Sections of each node's configuration (`pool`, `lock`...), given the fleet's directory. */
  readonly sections?: (node: SiteNode, dir: string) => Sections;
  /** Of each node's sidecar, besides the environment of the test, given the fleet's directory. */
  readonly env?: (node: SiteNode, dir: string) => Readonly<Record<string, string>>;
  /** From the start of an application to its first answer, in milliseconds; default 100. */
  readonly warmMs?: number;
  /** Of the users at each HAProxy; default 20 who click every 100 ms or so and stay for about a second. */
  readonly crowd?: Partial<UsersOptions>;
  /** `drain.timeout`; default 40s. */
  readonly timeout?: string;
  /** false: no sidecar is started; `startAgent` does it. Default true. */
  readonly withAgents?: boolean;
}

/** The backend's name; a server has the name of its node. */
export const FLEET_BACKEND = 'app';
const CROWD = { population: 20, thinkMs: 100, stayMs: 1000, pageMs: 15 };

/** Starts everything but the users; resolves once every node is in service. */
export async function openFleet(options: FleetOptions = {}): Promise<Fleet> {
  const temp = await makeTempDir();
  const fleet = createFleet(temp.path, await makeNodes(temp.path, options), options);
  const close = async (): Promise<void> => {
    await fleet.close();
    await temp.remove();
  };
  try {
    await Promise.all(fleet.nodes.map((node) => node.start()));
    await Promise.all(fleet.nodes.map((node) => node.untilServing(patience())));
    await fleet.startHaproxies(options.balancers ?? 1);
    if (options.withAgents !== false) {
      const agents = await Promise.all(fleet.nodes.map(({ name }) => fleet.startAgent(name)));
      await Promise.all(agents.map((agent) => agent.reaches('serving')));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { ...fleet, close };
}

async function makeNodes(dir: string, { nodes = 5, warmMs = 100 }: FleetOptions): Promise<SiteNode[]> {
  const made: SiteNode[] = [];
  for (let number = 1; number <= nodes; number++) {
    const legacy = { name: `app${number}`, port: await freePort(), dir, warmMs, idleMs: 10_000 };
    made.push({ ...createLegacyNode(legacy), agentPort: await freePort() });
  }
  return made;
}

interface Opening extends Fleet {
  startHaproxies(count: number): Promise<void>;
}

function createFleet(dir: string, nodes: readonly SiteNode[], options: FleetOptions): Opening {
  const haproxies: Haproxy[] = [];
  const urls: string[] = [];
  const crowds: Users[] = [];
  const samplers: AdminSampler[] = [];
  const agents = new Map<string, Agent>();
  const nodeOf = (name: string): SiteNode => {
    const node = nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`the fleet has no node ${name}`);
    return node;
  };
  const living = (): Agent[] => nodes.flatMap(({ name }) => agents.get(name) ?? []);
  const experience = (): Experience => together(crowds.map((crowd) => crowd.report()));
  return {
    dir,
    haproxies,
    urls,
    nodes,
    agents: living,
    experience,
    agent(name) {
      const agent = agents.get(name);
      if (agent === undefined) throw new Error(`${name} has no sidecar`);
      return agent;
    },
    async startHaproxies(count) {
      for (let number = 0; number < count; number++) {
        const port = await freePort();
        haproxies.push(await startHaproxy(balancerConfig(port, nodes), { statsMaxconn: 50 }));
        urls.push(`http://127.0.0.1:${port}`);
        crowds.push(createUsers({ url: `http://127.0.0.1:${port}`, ...CROWD, ...options.crowd }));
      }
    },
    async startAgent(name, sections = {}) {
      const node = nodeOf(name);
      const own = { ...baseSections(node, dir, haproxies), ...options.sections?.(node, dir), ...sections };
      const [first] = haproxies;
      if (first === undefined) throw new Error('the fleet has no HAProxy');
      const place = { dir, haproxy: { socket: first.socket } };
      const env = options.env?.(node, dir) ?? {};
      const more = { quiet: '200ms', timeout: options.timeout ?? '40s', sections: own, env };
      const agent = agentOf(await startSidecar(place, node, patience(), more));
      agents.set(name, agent);
      return agent;
    },
    async breakStart(name, isBroken) {
      const file = brokenFile(nodeOf(name), dir);
      await (isBroken ? writeFile(file, '') : rm(file, { force: true }));
    },
    all: (...words) => Promise.all(living().map((agent) => outcomeOf(agent, words))),
    async sample() {
      const sockets = haproxies.map(({ socket }) => socket);
      const sampler = await startAdminSampler(sockets, FLEET_BACKEND);
      samplers.push(sampler);
      return sampler;
    },
    letUsersIn: async () => void (await Promise.all(crowds.map((crowd) => crowd.start()))),
    async usersGo() {
      await Promise.all(crowds.map((crowd) => crowd.stop()));
      return experience();
    },
    async close() {
      await Promise.all(crowds.map((crowd) => crowd.stop()));
      const ended = await Promise.allSettled(samplers.map((sampler) => sampler.stop()));
      await Promise.all(living().map((agent) => agent.kill()));
      await Promise.all(nodes.map((node) => node.kill()));
      await Promise.all(haproxies.map((haproxy) => haproxy.stop()));
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
    },
  };
}

/** What is not the same for each fixture of a sidecar: its balancers, and a start that can be broken. */
function baseSections(node: SiteNode, dir: string, haproxies: readonly Haproxy[]): Sections {
  // `$0` is the file, and "$@" what to run unless it exists.
  const command = [
    '/bin/sh',
    '-c',
    'test ! -e "$0" && exec "$@"',
    brokenFile(node, dir),
    ...node.startCommand,
  ];
  return {
    app: {
      probe: { http: { url: `${node.url}/health` }, every: '250ms', timeout: '1s' },
      start: { command },
      stop: { signal: { name: 'SIGTERM', pidFile: node.pidFile, killAfter: '5s' } },
    },
    balancers: haproxies.map(({ socket }) => ({
      haproxy: `unix:${socket}`,
      servers: [`${FLEET_BACKEND}/${node.name}`],
    })),
  };
}

function brokenFile(node: SiteNode, dir: string): string {
  return join(dir, `${node.name}.broken`);
}

function balancerConfig(port: number, nodes: readonly SiteNode[]): string {
  const servers = nodes.map(
    ({ name, port: appPort }) => `  server ${name} 127.0.0.1:${appPort} cookie ${name}\n`,
  );
  return (
    'defaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n' +
    '  retries 3\n  option redispatch\n' +
    `frontend web\n  bind 127.0.0.1:${port}\n  default_backend ${FLEET_BACKEND}\n` +
    `backend ${FLEET_BACKEND}\n  balance roundrobin\n  cookie SRV insert indirect nocache\n` +
    '  option httpchk GET /health\n  default-server check inter 250ms rise 2 fall 3\n' +
    servers.join('')
  );
}

async function outcomeOf(agent: Agent, words: readonly string[]): Promise<FleetOutcome> {
  const { code, stdout, stderr } = await agent.cli(...words).outcome;
  if (!stdout.startsWith('{'))
    throw new Error(`${words.join(' ')}: exit ${String(code)}: ${stderr}${stdout}`);
  const result = JSON.parse(stdout) as Result;
  return { node: result.node, exit: code, result };
}

function together(reports: readonly Report[]): Experience {
  const total = (key: 'requests' | 'failed' | 'lost'): number =>
    reports.reduce((sum, report) => sum + report[key], 0);
  return {
    requests: total('requests'),
    failed: total('failed'),
    lost: total('lost'),
    failures: reports.flatMap(({ failures }) => failures),
  };
}
