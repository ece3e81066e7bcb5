import type { Harm } from '../fixtures/tally.ts';
import { createUsers, type Report, type UsersOptions } from '../fixtures/users.ts';
import { startRecorder, type Recorder } from './recorder.ts';
import { type Agent, agentOf, patience } from './rig.ts';
import { processesOf, type WatchedProcess } from './run-delay.ts';
import { type Sidecar, type SidecarOptions, startSidecar } from './sidecar.ts';
import { openSite, type Site, type SiteNode, type SiteOptions } from './site.ts';
import { wishOnDisk } from './state-file.ts';

/**
 * haproxy/haproxy.cfg, three nodes, and users who come and go: one is new every 50 ms, and the last one of a node is
 * gone within a second. A recorder stands between the first node's sidecar and HAProxy.
 */
export interface CrowdedSite {
  readonly site: Site;
  readonly node: SiteNode;
  /** Its `note`: the sidecar's desired state of that server by its record on disk. */
  readonly recorder: Recorder;
  /** Where the node's sidecar keeps its record. */
  readonly state: string;
  /** Starts the node's sidecar, and kills the one before where a failed test left it. */
  start(changes?: SidecarOptions): Promise<Agent>;
  /** Does the work, and tells what the users went through meanwhile. */
  during<T>(work: () => Promise<T>): Promise<T & Suffered>;
  /** What has to have a processor so that all goes on: this process with its users and recorder, HAProxy, the sidecar, the nodes. */
  processes(): readonly WatchedProcess[];
  close(): Promise<void>;
}

/** What users suffered. */
export interface Suffered {
  readonly failed: number;
  readonly lost: number;
  /** The texts of the first of them. */
  readonly failures: readonly string[];
  readonly harms: readonly Harm[];
}

/** How busy it is, and for how long each phase lasts. */
export interface CrowdedOptions {
  readonly crowd: Omit<UsersOptions, 'url'>;
  readonly site: SiteOptions;
  readonly quiet: string;
}

/**
 * So that each phase lasts long enough to be met, and not longer. A session whose answer never reached its user (a
 * connection that ended meanwhile) has no user, and ends as it does in any application.
 */
const USUAL: CrowdedOptions = {
  crowd: { population: 10, thinkMs: 100, stayMs: 500, pageMs: 15 },
  site: { warmMs: 300, termMs: 400, checkInter: '300ms', idleMs: 10_000 },
  quiet: '400ms',
};
/** `backend/server` of the first node. */
export const SERVER = 'app/app1';

export async function openCrowdedSite(options: CrowdedOptions = USUAL): Promise<CrowdedSite> {
  const site = await openSite(options.site, patience());
  const users = createUsers({ url: site.url, ...options.crowd });
  const [node] = site.nodes;
  if (node === undefined) throw new Error('the site has no nodes');
  const state = `${site.dir}/${node.name}.json`;
  const noted = (): string | null => wishOnDisk(state, SERVER);
  const recorder = await startRecorder(site.haproxy.socket, `${site.dir}/recorder`, noted);
  const balancers = [{ haproxy: recorder.socket, master: site.haproxy.masterSocket, servers: [SERVER] }];
  let last: Sidecar | null = null;
  await users.start();
  return {
    site,
    node,
    recorder,
    state,
    async start({ sections, ...changes } = {}) {
      await last?.kill();
      last = await startSidecar(site, node, patience(), {
        quiet: options.quiet,
        ...changes,
        sections: { balancers, ...sections },
      });
      return agentOf(last);
    },
    async during(work) {
      const before = users.report();
      const done = await work();
      return { ...done, ...since(before, users.report()) };
    },
    processes: () => processesOf(site.haproxy.pid, last, site.nodes),
    async close() {
      await users.stop();
      await last?.kill();
      await recorder.close();
      await site.close();
    },
  };
}

function since(before: Report, now: Report): Suffered {
  return {
    failed: now.failed - before.failed,
    lost: now.lost - before.lost,
    failures: now.failures.slice(before.failures.length),
    harms: now.harms.slice(before.harms.length),
  };
}
