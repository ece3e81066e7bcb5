import { messageOf } from '../../../agent/system/error.ts';
import { type CrowdedSite, openCrowdedSite } from '../crowded-site.ts';
import type { Agent } from '../rig.ts';
import { type CrashPoint, nameOf, pointsOf } from './points.ts';
import { crashAt, startMortal } from './run.ts';
import { VERB_NAMES, type VerbName } from './verbs.ts';

/** kill -9 of the sidecar at every write and every exchange of every verb, at several sites beside each other. */

/** Each phase is long enough to be met under load, and not longer. */
const SITE = {
  crowd: { population: 6, thinkMs: 100, stayMs: 300, pageMs: 10 },
  site: { warmMs: 150, termMs: 150, checkInter: '200ms', idleMs: 10_000, slowstart: false },
  quiet: '200ms',
} as const;

export interface CrashSums {
  runs: number;
  /** Of them, those whose operation was over before their point came. */
  after: number;
  /** Those killed before anything of the operation was on disk. */
  unbegun: number;
  reloads: number;
  /** Users let in by a reload that forgets everything while the application had its SIGTERM. */
  late: number;
  failed: number;
  lost: number;
  /** Seconds of one site for one run, on the average. */
  seconds: number;
  readonly broken: string[];
}

/** What is played. */
export interface CrashPlan {
  readonly points: readonly CrashPoint[];
  /** Sites beside each other. */
  readonly sites: number;
  /** Another lastcall.mjs to try. */
  readonly program?: string;
  /** Called for each point that broke a promise, at once. */
  onBroken(line: string): void;
  /** No other point is begun once one has broken a promise. */
  readonly untilBroken?: boolean;
}

/** Plays each verb once without a kill at a point, and @returns every point that it has. */
export function findPoints(): Promise<CrashPoint[]> {
  return atSite(async (place) => {
    const points: CrashPoint[] = [];
    for (const verb of VERB_NAMES) {
      const { counts, broken, agent } = await crashAt(place, await serving(place, verb), verb, null);
      if (broken.length > 0) throw new Error(`${verb}, killed when it was over: ${broken.join('; ')}`);
      points.push(...pointsOf(verb, counts));
      await agent.stop();
    }
    return points;
  });
}

/** So many of the points, each verb's in turn, from the first on again where there are fewer. */
export function spread(points: readonly CrashPoint[], count: number): CrashPoint[] {
  const stride = Math.max(1, points.length / count);
  const chosen = Array.from(
    { length: count },
    (_none, at) => points[Math.floor(at * stride) % points.length],
  );
  return chosen.flatMap((point) => point ?? []);
}

export async function playCrashes(plan: CrashPlan): Promise<CrashSums> {
  const sums: CrashSums = {
    ...{ runs: 0, after: 0, unbegun: 0, reloads: 0, late: 0, failed: 0, lost: 0, seconds: 0 },
    broken: [],
  };
  const queue = byVerb(plan.points);
  const sites = Math.min(plan.sites, queue.length);
  const work = async (): Promise<void> => {
    while (queue.length > 0 && !isOver(plan, sums)) await atSite((place) => workAt(place, queue, plan, sums));
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: sites }, work));
  sums.seconds = Number((((performance.now() - began) / 1_000 / Math.max(1, sums.runs)) * sites).toFixed(2));
  return sums;
}

const isOver = (plan: CrashPlan, sums: CrashSums): boolean =>
  plan.untilBroken === true && sums.broken.length > 0;

/** The same verb's are beside each other: another one may need another configuration. */
function byVerb(points: readonly CrashPoint[]): CrashPoint[] {
  return VERB_NAMES.flatMap((verb) => points.filter((point) => point.verb === verb));
}

/** Plays the queue at one site. Returns early after a broken promise: the next run has a site that is as new. */
async function workAt(
  place: CrowdedSite,
  queue: CrashPoint[],
  plan: CrashPlan,
  sums: CrashSums,
): Promise<void> {
  let agent: Agent | null = null;
  let verb: VerbName | null = null;
  for (let point = queue.shift(); point !== undefined; point = queue.shift()) {
    if (verb !== point.verb) {
      await agent?.stop();
      verb = point.verb;
      agent = await serving(place, verb, plan.program);
    }
    const next: Agent | null = await playOne(place, agent as Agent, point, plan, sums);
    if (next === null || isOver(plan, sums)) return;
    agent = next;
  }
}

/** @returns the sidecar that goes on; null where a promise was broken */
async function playOne(
  place: CrowdedSite,
  agent: Agent,
  point: CrashPoint,
  plan: CrashPlan,
  sums: CrashSums,
): Promise<Agent | null> {
  sums.runs += 1;
  if (point.reload) sums.reloads += 1;
  const broken: string[] = [];
  let next: Agent | null = null;
  try {
    const seen = await place.during(() => crashAt(place, agent, point.verb, point, plan.program));
    next = seen.agent;
    broken.push(...seen.broken);
    if (!seen.isMet) sums.after += 1;
    if (!seen.isBegun) sums.unbegun += 1;
    if (seen.isLate) sums.late += 1;
    sums.failed += seen.failed;
    if (!seen.isLate) sums.lost += seen.lost;
    if (seen.failed > 0) broken.push(`${seen.failed} failed requests: ${seen.failures.join(', ')}`);
    if (seen.lost > 0 && !seen.isLate) broken.push(`${seen.lost} sessions were lost`);
  } catch (error) {
    broken.push(messageOf(error));
  }
  if (broken.length === 0) return next;
  const line = `${nameOf(point)}: ${broken.join('; ')}`;
  sums.broken.push(line);
  plan.onBroken(line);
  return null;
}

async function serving(place: CrowdedSite, verb: VerbName, program?: string): Promise<Agent> {
  const agent = await startMortal(place, verb, program);
  await agent.reaches('serving');
  return agent;
}

async function atSite<T>(work: (place: CrowdedSite) => Promise<T>): Promise<T> {
  const place = await openCrowdedSite(SITE);
  try {
    return await work(place);
  } finally {
    await place.close();
  }
}
