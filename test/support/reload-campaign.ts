import { setTimeout as sleep } from 'node:timers/promises';
import type { Phase, Result } from '../../agent/lifecycle/model/api.ts';
import { type CrowdedSite, openCrowdedSite, SERVER, type Suffered } from './crowded-site.ts';
import { meet, type Exchange } from './recorder.ts';
import { type Agent, told } from './rig.ts';
import { until } from './until.ts';
import { recordAt } from './state-file.ts';

/**
 * Reloads HAProxy at each phase of a node's way out and back, under users who come and go. The recorder finds the
 * moment, and proves what was written after it.
 */

/**
 * When a reload comes: in each phase in service, on the way out, out, and on the way back; and between the last look at
 * a server and our MAINT, which must not reach a worker that was not looked at.
 */
export const RELOADED_IN = [
  'serving',
  'draining',
  'settling',
  'before MAINT',
  'fencing',
  'drained',
  'stopping',
  'stopped',
  'warming',
  'returning',
] as const satisfies readonly (Phase | 'before MAINT')[];
export type ReloadedIn = (typeof RELOADED_IN)[number];

/** What one reload in the middle of a stop and a return came to. */
export interface ReloadReport extends Suffered {
  readonly results: readonly Result[];
  /** Sessions that lived in the application when it got its SIGTERM. */
  readonly stoppedWith: number;
  /** SIGTERMs. */
  readonly stops: number;
  /** Sessions that were made on the node after the reload and before its stop; null where it was not out. */
  readonly leaked: number | null;
  /** The node was out and alive when the reload began, and had its SIGTERM before the new worker was there. */
  readonly isLate: boolean;
  /** Exchanges of the sidecar from the first answer of a new worker in READY to the word that puts it right. */
  readonly untilSaid: readonly number[];
}

export interface ReloadCampaign {
  /** @param keepsState reloaded by haproxy/reload.sh, with a fresh server-state file; else there is none */
  reloadIn(phase: ReloadedIn, keepsState: boolean): Promise<ReloadReport>;
  close(): Promise<void>;
}

export async function openReloadCampaign(): Promise<ReloadCampaign> {
  const place = await openCrowdedSite();
  const agent = await serving(place).catch(async (error: unknown) => {
    await place.close();
    throw error;
  });
  const { recorder } = place;
  return {
    reloadIn: (phase, keepsState) =>
      place.during(async () => {
        const from = recorder.exchanges.length;
        const reloaded = await outAndBack({ ...place, agent }, phase, keepsState);
        return { ...reloaded, untilSaid: untilSaid(recorder.exchanges.slice(from)) };
      }),
    close: () => place.close(),
  };
}

async function serving(place: CrowdedSite): Promise<Agent> {
  const agent = await place.start();
  await agent.reaches('serving');
  return agent;
}

interface ReloadPlace extends CrowdedSite {
  readonly agent: Agent;
}

async function outAndBack(
  place: ReloadPlace,
  phase: ReloadedIn,
  keepsState: boolean,
): Promise<Pick<ReloadReport, 'results' | 'stoppedWith' | 'stops' | 'leaked' | 'isLate'>> {
  const { site, node, agent } = place;
  const termsBefore = (await node.terms()).length;
  let made: number | null = null;
  let isLate = false;
  const reload = async (): Promise<void> => {
    const isOut = OUT_AND_ALIVE.includes(phase);
    if (isOut) made = await node.made();
    await site.haproxy.reload(keepsState);
    isLate = isOut && (await node.terms()).length > termsBefore;
  };
  const results: Result[] = [];
  if (phase === 'serving') await reload();
  const moment = inPhase(place, phase, reload);
  const stopping = await told(agent.cli('stop', '--no-wait', '--timeout', '30s'));
  const stopped = agent.ends(stopping.json.id);
  if (MOMENT_IN_STOP.includes(phase)) await momentOf(phase, moment, stopped);
  results.push(await stopped);
  if (phase === 'stopped') {
    await reload();
    await until('it is out again', async () => (await site.statuses()).get('app1') === 'MAINT');
  }
  const returning = await told(agent.cli('ready', '--no-wait', '--timeout', '30s'));
  const returned = agent.ends(returning.json.id);
  if (phase === 'warming' || phase === 'returning') await momentOf(phase, moment, returned);
  results.push(await returned);
  const terms = (await node.terms()).slice(termsBefore);
  return {
    results,
    stops: terms.length,
    stoppedWith: terms.reduce((sum, { active }) => sum + active, 0),
    leaked: made === null ? null : (terms[0]?.made ?? 0) - made,
    isLate,
  };
}

/** How long a moment that was met may last, at a slow machine, after the operation has ended. */
const PATIENCE_MS = 20_000;

/** @throws Error with the operation's result, where it has ended without that moment */
async function momentOf(phase: ReloadedIn, moment: Promise<void>, ended: Promise<Result>): Promise<void> {
  const missed = ended.then(async (result) => {
    await sleep(PATIENCE_MS, undefined, { ref: false });
    throw new Error(`no "${phase}" has come, or its reload has no end: ${JSON.stringify(result)}`);
  });
  await Promise.race([moment, missed]);
}

/** Out of rotation, and the application still takes users. */
const OUT_AND_ALIVE: readonly ReloadedIn[] = ['draining', 'settling', 'before MAINT', 'fencing', 'drained'];
const MOMENT_IN_STOP: readonly ReloadedIn[] = [...OUT_AND_ALIVE, 'stopping'];

/** Resolves once `reload`, begun in that phase, is over. Phases of milliseconds are held open at their own exchange. */
async function inPhase(
  { node, agent, recorder, state }: ReloadPlace,
  phase: ReloadedIn,
  reload: () => Promise<void>,
): Promise<void> {
  const during = (when: 'before' | 'after', isIt: (line: string) => boolean): Promise<void> =>
    meet(recorder, when, isIt, reload);
  const says = (admin: string) => (line: string) => line === `set server ${SERVER} state ${admin}`;
  switch (phase) {
    case 'serving':
    case 'stopped':
      return;
    case 'draining':
      return during('after', says('drain'));
    case 'settling':
      // It lasts as long as `quiet`; a reload on a busy machine takes longer.
      await agent.reaches(phase);
      recorder.pause();
      return reload().finally(() => recorder.resume());
    case 'warming':
      await agent.reaches(phase);
      return reload();
    case 'before MAINT':
      return during('before', says('maint'));
    case 'fencing':
      return during('after', says('maint'));
    case 'drained':
      // The intent to stop is on disk, and this is the last look before it.
      return during('before', () => recordAt(state)?.stopIssued === true);
    case 'stopping': {
      const before = (await node.terms()).length;
      await until('it had its SIGTERM', async () => (await node.terms()).length > before);
      return reload();
    }
    case 'returning':
      return during('before', says('ready'));
    default:
      return phase satisfies never;
  }
}

/** What a read asks after its `show info` where a write follows it on the same connection: one command a line. */
const GOES_ON = /^show (?:stat #\d+ [24] (?:\d+|-1)|servers state \S+)$/;

/**
 * How many exchanges of the sidecar it took each time: a look that shows the new worker, then read, write, read back.
 * The polls are one exchange each, so this is "within one poll" without a clock. Those that pass while the disk is still
 * to take a new intent (DRAIN in place of MAINT) are not counted: how many they are is the disk's speed.
 */
function untilSaid(exchanges: readonly Exchange[]): number[] {
  const found: number[] = [];
  let pid: string | null = null;
  /** The new worker's first answer, which need not be of the server: a read begins with `show info`. */
  let fresh: number | null = null;
  let since: number | null = null;
  for (const [index, { line, answer }] of exchanges.entries()) {
    const now: string | null = /^Pid: (\d+)$/m.exec(answer)?.[1] ?? pid;
    if (pid !== null && now !== pid) fresh = index;
    pid = now;
    const status = /^app,app1,.*?,(UP|DOWN|DRAIN|MAINT)/m.exec(answer)?.[1];
    if (fresh !== null && status !== undefined) {
      // DOWN hides DRAIN, but a worker that has just begun has only what a state file gave it.
      if (status === 'UP' || status === 'DOWN') since = fresh;
      fresh = null;
    }
    if (since === null || !line.startsWith(`set server ${SERVER} state `)) continue;
    const [first, ...later] = exchanges.slice(since, index);
    const counted = later.filter(({ line: one, note }) => !GOES_ON.test(one) && line.endsWith(` ${note}`));
    found.push(first === undefined ? 0 : 1 + counted.length);
    since = null;
  }
  return found;
}
