import { setTimeout as sleep } from 'node:timers/promises';
import { createUsers, type Report } from '../../fixtures/users.ts';
import { seeded } from '../../support/fuzz.ts';
import { startSidecar, type Sidecar } from '../../support/sidecar.ts';
import { openSite, type Site, type SiteNode, type SiteOptions } from '../../support/site.ts';
import { withLimit } from '../../support/with-limit.ts';
import { runPeer, type PeerProgram } from '../peers/peers.ts';

/** What a part that plays rounds needs of the benchmark. */
export interface Rounds {
  readonly signal: AbortSignal;
  /** How many rounds of each kind. */
  readonly runs: number;
}

/** The users of a round. */
export interface RoundUsers {
  /** As the table calls them. */
  readonly name: string;
  /** How many at a time, over all nodes. */
  readonly population: number;
  /** Between two clicks of a user, give or take half of it, in milliseconds. */
  readonly thinkMs: number;
  /** How long a user stays, give or take half of it, in milliseconds. */
  readonly visitMs: number;
  /** The same seed, the same visits: all ways of a run have the same users. */
  readonly seed: number;
}

/** What a rolling restart of three nodes cost. */
export interface RoundResult {
  readonly failed: number;
  readonly lost: number;
  /** Clicks while the nodes were restarted. */
  readonly requests: number;
  /** The longest that a session may have been unused, in milliseconds: from IDLE_MS on it may have expired. */
  readonly longestPauseMs: number;
  /** From the first restart's begin to the last one's end. */
  readonly seconds: number;
  /** The texts of the first failures. */
  readonly failures: readonly string[];
}

/** Restarts one node, and returns once it is back in service. */
export type Restart = (node: SiteNode, signal: AbortSignal) => Promise<void>;

/** Some way to restart the nodes of a site. */
export interface RestartWay {
  readonly name: string;
  /** Makes it ready at a new site, before users come. */
  open(site: Site, signal: AbortSignal): Promise<OpenedWay>;
}

export interface OpenedWay {
  readonly restart: Restart;
  close(): Promise<void>;
}

/** An unused session expires after so many milliseconds. */
export const IDLE_MS = 20_000;
/**
 * The application takes its time to start, as a servlet container, and an unused session expires, as everywhere: late enough that
 * a machine which stands still for some seconds costs no user the session (5 s were too few: every way lost some 140 sessions in a round).
 */
const NODES: SiteOptions = { warmMs: 1500, idleMs: IDLE_MS };
const PAGE_MS = 100;
/** Chosen once, by the length of a usual visit: a good guess, and some visits are longer. As long as the longest of them it would lose none. */
export const SLEEP_SECONDS = 20;
/** Before the first restart, so that every user has a history. */
const SETTLE_MS = 1500;
/** Of all three restarts. */
export const DEADLINE_MS = 300_000;

/** A way by one of the programs in `peers`. */
export function peerWay(peer: PeerProgram): RestartWay {
  return {
    name: peer.name,
    open: (site) => {
      const place = { socket: site.haproxy.socket, sleepSeconds: SLEEP_SECONDS };
      return Promise.resolve({
        restart: (node, signal) => runPeer(peer, node, place, signal),
        close: () => Promise.resolve(),
      });
    },
  };
}

/** `lastcall restart` by a sidecar for each node, with the defaults. */
export const LASTCALL: RestartWay = {
  name: 'lastcall',
  async open(site, signal) {
    const sidecars = new Map<string, Sidecar>();
    const close = async (): Promise<void> => {
      for (const sidecar of sidecars.values()) await sidecar.stop();
    };
    try {
      for (const node of site.nodes)
        sidecars.set(node.name, await startSidecar(site, node, signal, { probeEvery: '2s', timeout: '5m' }));
    } catch (error) {
      await close();
      throw error;
    }
    return { restart: (node, abort) => restartBy(sidecars.get(node.name), node.name, abort), close };
  },
};

async function restartBy(sidecar: Sidecar | undefined, name: string, signal: AbortSignal): Promise<void> {
  if (sidecar === undefined) throw new Error(`no sidecar for ${name}`);
  const { code, stdout, stderr } = await sidecar.lastcall(['restart', '--json', '--reason', 'bench'], signal);
  if (code === 0) return;
  throw new Error(
    `lastcall restart of ${name} ended with ${String(code)}: ${stderr}${stdout}\nits sidecar's log:\n${sidecar.log()}`,
  );
}

/**
 * Restarts all three nodes of a new site under live users, one after the other.
 * @throws what the way throws, and Error where it takes longer than five minutes, or no user clicked meanwhile
 */
export function playRound(
  way: RestartWay,
  crowd: RoundUsers,
  signal: AbortSignal,
  nodes: SiteOptions = NODES,
): Promise<RoundResult> {
  return withLimit(signal, DEADLINE_MS, (limited) => playWithin(way, crowd, limited, nodes));
}

async function playWithin(
  way: RestartWay,
  crowd: RoundUsers,
  signal: AbortSignal,
  nodes: SiteOptions,
): Promise<RoundResult> {
  const site = await openSite(nodes, signal);
  try {
    const opened = await way.open(site, signal);
    try {
      return await underUsers(site, opened.restart, crowd, signal);
    } finally {
      await opened.close();
    }
  } finally {
    await site.close();
  }
}

async function underUsers(
  site: Site,
  restart: Restart,
  { population, thinkMs, visitMs, seed }: RoundUsers,
  signal: AbortSignal,
): Promise<RoundResult> {
  const users = createUsers({
    url: site.url,
    population,
    thinkMs,
    pageMs: PAGE_MS,
    stayMs: visits(population, visitMs, seed),
  });
  let report: Report;
  let [seconds, requests] = [Number.NaN, 0];
  try {
    await users.start();
    await sleep(SETTLE_MS, undefined, { signal });
    const [began, before] = [performance.now(), users.report().requests];
    for (const node of site.nodes) await restart(node, signal);
    seconds = (performance.now() - began) / 1000;
    requests = users.report().requests - before;
    if (requests === 0) throw new Error('no user clicked while the nodes were restarted');
  } finally {
    // Each of them clicks once more, and notices a loss.
    report = await users.stop();
  }
  const { failed, lost, longestPauseMs, failures } = report;
  return { failed, lost, requests, longestPauseMs, seconds, failures };
}

/** Each call is a user's stay in milliseconds. The first ones are some way into their visit, as at any moment. */
function visits(population: number, visitMs: number, seed: number): () => number {
  const random = seeded(seed);
  let seats = 0;
  return () => visitMs * (seats++ < population ? random() : 0.5 + random());
}
