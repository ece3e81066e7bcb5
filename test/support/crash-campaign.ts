import type { Result } from '../../agent/lifecycle/model/api.ts';
import { type CrowdedSite, openCrowdedSite, SERVER, type Suffered } from './crowded-site.ts';
import { meet } from './recorder.ts';
import type { Agent } from './rig.ts';
import type { Site, SiteNode } from './site.ts';
import { until } from './until.ts';
import { recordAt } from './state-file.ts';

/**
 * kill -9 of the sidecar at named points of a restart, under users who come and go. The points are found from outside,
 * by what passes between the sidecar and HAProxy and by what is on disk; the product has no hooks for it.
 */

export const CRASH_POINTS = [
  'before-intent',
  'after-intent',
  'after-drain',
  'after-readback',
  'settle',
  'before-stop',
  'after-stop',
  'before-ready',
  'after-ready',
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

export interface CrashReport extends Suffered {
  /** How the restart ended that the second sidecar found on disk; null where there was none. */
  readonly result: Result | null;
  /** Exit code of the `lastcall restart --no-wait` that asked for it. */
  readonly asked: number | null;
  /** Processes of the application that were stopped, and the sessions that lived in them then. */
  readonly stops: number;
  readonly stoppedWith: number;
  /** HAProxy's status of the node in the end. */
  readonly status: string;
  /** From the start of the second sidecar to the end of the restart that it found, and to `serving`; in milliseconds. */
  readonly againMs: number;
}

export interface CrashCampaign {
  /** @param reload HAProxy is reloaded while no sidecar is there, and forgets everything */
  crashAt(point: CrashPoint, reload: boolean): Promise<CrashReport>;
  close(): Promise<void>;
}

export async function openCrashCampaign(): Promise<CrashCampaign> {
  const place = await openCrowdedSite();
  return {
    crashAt: (point, reload) => place.during(() => crashAndGoOn(place, point, reload)),
    close: () => place.close(),
  };
}

async function crashAndGoOn(
  place: CrowdedSite,
  point: CrashPoint,
  reload: boolean,
): Promise<Omit<CrashReport, keyof Suffered>> {
  const { site, node, state } = place;
  // A test before this one that failed may have left its gates there.
  place.recorder.clear();
  const termsBefore = (await node.terms()).length;
  const first = await place.start();
  await first.reaches('serving');
  const killed = killAt(place, point, first);
  const asking = first.cli('restart', '--no-wait', '--timeout', '20s').outcome;
  await killed;
  const { code: asked } = await asking;
  const id = recordAt(state)?.op?.id ?? null;
  if (reload) await reloadAndLetIn(site, node, point);
  const from = performance.now();
  const second = await place.start();
  const result = id === null ? null : await second.ends(id);
  await second.reaches('serving');
  const againMs = Math.round(performance.now() - from);
  await second.kill();
  const terms = (await node.terms()).slice(termsBefore);
  return {
    result,
    asked,
    stops: new Set(terms.map(({ pid }) => pid)).size,
    stoppedWith: terms.reduce((sum, { active }) => sum + active, 0),
    status: (await site.statuses()).get('app1') ?? '',
    againMs,
  };
}

/** Points after which the application still takes users. */
const ALIVE: readonly CrashPoint[] = [
  'before-intent',
  'after-intent',
  'after-drain',
  'after-readback',
  'settle',
  'before-stop',
];

/** The node is open now, so users come to it: they are to be waited for. */
async function reloadAndLetIn(site: Site, node: SiteNode, point: CrashPoint): Promise<void> {
  // A user let in between SIGTERM and the end is lost with it; only a gate or a state file could prevent it.
  if (point === 'after-stop') await until('it has ended', async () => (await node.sessions()) === null);
  await site.haproxy.reload(false);
  if (!ALIVE.includes(point)) return;
  const made = await node.made();
  await until('three new users are on the node', async () => (await node.made()) >= made + 3);
}

/** Resolves once the sidecar is dead. */
async function killAt(
  { node, recorder, state }: CrowdedSite,
  point: CrashPoint,
  agent: Agent,
): Promise<void> {
  /** Kills it instead of, or right after, the first line of its that `isIt` picks. */
  const at = (when: 'before' | 'after', isIt: (line: string) => boolean): Promise<void> =>
    meet(recorder, when, isIt, async () => {
      await agent.kill();
      return 'drop';
    });
  const says = (admin: string) => (line: string) => line === `set server ${SERVER} state ${admin}`;
  switch (point) {
    case 'before-intent':
      return at('before', (line) => line.startsWith('show cli level'));
    case 'after-intent':
      return at('before', says('drain'));
    case 'after-drain':
      return at('after', says('drain'));
    case 'after-readback': {
      let lines: number | null = null;
      return at('before', (line) => {
        if (lines !== null) lines += 1;
        if (says('drain')(line)) lines = 0;
        // The first one reads back, the second one comes after its answer.
        return lines === 2;
      });
    }
    case 'settle':
      await agent.reaches('settling');
      return agent.kill();
    case 'before-stop':
      // The intent to stop is on disk, and this is the last look before it.
      return at('before', () => recordAt(state)?.stopIssued === true);
    case 'after-stop': {
      const before = (await node.terms()).length;
      await until('it had its SIGTERM', async () => (await node.terms()).length > before);
      return agent.kill();
    }
    case 'before-ready':
      return at('before', says('ready'));
    case 'after-ready':
      return at('after', says('ready'));
    default:
      return point satisfies never;
  }
}
