import { messageOf } from '../../../agent/system/error.ts';
import { allEnded } from '../all-ended.ts';
import { type CrowdedSite, openCrowdedSite } from '../crowded-site.ts';
import type { Agent } from '../rig.ts';
import { STANDSTILL_MS, watchStandstill } from '../standstill.ts';
import { type KillPoint, nameOf } from './points.ts';
import { crashAt, startMortal } from './run.ts';
import { VERB_NAMES, VERBS, type VerbName } from './verbs.ts';

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
  /** Runs that were played once more: this process had stood still, and the recorder in it with it. */
  again: number;
  /** Users let in by a reload that forgets everything while the application had its SIGTERM. */
  late: number;
  failed: number;
  lost: number;
  /** Seconds of one site for one run, on the average. */
  seconds: number;
  /** Sites that could not be opened or closed; their points were played at other ones. */
  readonly mishaps: string[];
  readonly broken: string[];
}

/** What is played. */
export interface CrashOrder {
  readonly points: readonly KillPoint[];
  /** Sites beside each other. */
  readonly sites: number;
  /** Another lastcall.mjs to try. */
  readonly program?: string;
  /** Called for each point that broke a promise, at once. */
  onBroken(line: string, point: KillPoint): void;
  /** No other point is begun once one has broken a promise. */
  readonly untilBroken?: boolean;
}

interface CrashPlan extends CrashOrder {
  readonly again: KillPoint[];
}

/**
 * Users are in this process: where it stands still for so many milliseconds, and the machine with it, a session may end by
 * its own time (`idleMs`), and a request have no answer in its.
 */
const LONG_STANDSTILL_MS = SITE.site.idleMs / 4;

/** So often what a busy machine may have spoilt is played once more. */
const MOST_AGAIN = 3;

/** So many of the points, each verb's in turn, from the first on again where there are fewer. */
export function spread(points: readonly KillPoint[], count: number): KillPoint[] {
  const stride = Math.max(1, points.length / count);
  const chosen = Array.from(
    { length: count },
    (_none, at) => points[Math.floor(at * stride) % points.length],
  );
  return chosen.flatMap((point) => point ?? []);
}

/** Plays the points, and those once more that the machine was too busy for. */
export async function playCrashes(asked: CrashOrder): Promise<CrashSums> {
  const plan: CrashPlan = { ...asked, again: [] };
  const sums: CrashSums = {
    runs: 0,
    after: 0,
    unbegun: 0,
    again: 0,
    reloads: 0,
    late: 0,
    failed: 0,
    lost: 0,
    seconds: 0,
    mishaps: [],
    broken: [],
  };
  const queue = byVerb(plan.points);
  const sites = Math.min(plan.sites, queue.length);
  const work = (): Promise<void> => workThrough(queue, plan, sums);
  const began = performance.now();
  for (let round = 0; round <= MOST_AGAIN; round++) {
    queue.push(...plan.again.splice(0));
    await allEnded(Array.from({ length: sites }, work));
  }
  for (const point of plan.again) sums.broken.push(`${nameOf(point)}: this machine is too busy to judge it`);
  sums.seconds = Number((((performance.now() - began) / 1_000 / Math.max(1, sums.runs)) * sites).toFixed(2));
  return sums;
}

const isOver = (plan: CrashPlan, sums: CrashSums): boolean =>
  plan.untilBroken === true && sums.broken.length > 0;

/** The same verb's are beside each other: another one may need another configuration. */
function byVerb(points: readonly KillPoint[]): KillPoint[] {
  return VERB_NAMES.flatMap((verb) => points.filter((point) => point.verb === verb));
}

/**
 * Plays the queue at one site after the other.
 * @throws the error of the site where none could be opened so many times in succession
 */
async function workThrough(queue: KillPoint[], plan: CrashPlan, sums: CrashSums): Promise<void> {
  let mishaps = 0;
  while (queue.length > 0 && !isOver(plan, sums)) {
    try {
      await atSite((place) => workAt(place, queue, plan, sums));
      mishaps = 0;
    } catch (error) {
      sums.mishaps.push(messageOf(error));
      mishaps += 1;
      if (mishaps > MOST_AGAIN) throw error;
    }
  }
}

/** Plays the queue at one site. Returns early after a broken promise: the next run has a site that is as new. */
async function workAt(
  place: CrowdedSite,
  queue: KillPoint[],
  plan: CrashPlan,
  sums: CrashSums,
): Promise<void> {
  let agent: Agent | null = null;
  let verb: VerbName | null = null;
  for (let point = queue.shift(); point !== undefined; point = queue.shift()) {
    if (verb !== point.verb) {
      await agent?.stop();
      verb = point.verb;
      agent = null;
    }
    const next: Agent | null = await playOne(place, agent, point, plan, sums);
    if (next === null || isOver(plan, sums)) return;
    agent = next;
  }
}

/**
 * @param agent the sidecar in service; null: it is started first
 * @returns the sidecar that goes on; null where a promise was broken, or the point is to be played once more
 */
async function playOne(
  place: CrowdedSite,
  agent: Agent | null,
  point: KillPoint,
  plan: CrashPlan,
  sums: CrashSums,
): Promise<Agent | null> {
  const standstill = watchStandstill();
  const { next, grave, suffered, slight } = await judged(place, agent, point, plan, sums);
  const stoodStill = standstill();
  sums.runs += 1;
  if (point.reload) sums.reloads += 1;
  const broken = [...grave, ...suffered, ...slight];
  if (broken.length === 0) return next;
  const line = `${nameOf(point)}: ${broken.join('; ')} (this process stood still for ${stoodStill} ms)`;
  plan.onBroken(line, point);
  const longest = suffered.length > 0 ? LONG_STANDSTILL_MS : STANDSTILL_MS;
  if (grave.length > 0 || stoodStill < longest) sums.broken.push(line);
  else {
    sums.again += 1;
    plan.again.push(point);
  }
  return null;
}

interface Judged {
  readonly next: Agent | null;
  /** What no load of the machine may cause. */
  readonly grave: readonly string[];
  /** What users suffered, which a long standstill may cause. */
  readonly suffered: readonly string[];
  readonly slight: readonly string[];
}

async function judged(
  place: CrowdedSite,
  agent: Agent | null,
  point: KillPoint,
  plan: CrashPlan,
  sums: CrashSums,
): Promise<Judged> {
  const suffered: string[] = [];
  const slight: string[] = [];
  try {
    const first = agent ?? (await serving(place, point.verb, plan.program));
    const seen = await place.during(() => crashAt(place, first, point, plan.program));
    if (!seen.isMet) sums.after += 1;
    else if (point.n === VERBS[point.verb].counts[point.what])
      slight.push(`${point.verb} has more than ${point.n} of ${point.what}: raise it in verbs.ts`);
    if (!seen.isBegun) sums.unbegun += 1;
    if (seen.isLate) sums.late += 1;
    sums.failed += seen.failed;
    if (!seen.isLate) sums.lost += seen.lost;
    if (seen.failed > 0) suffered.push(`${seen.failed} failed requests: ${seen.failures.join(', ')}`);
    if (seen.lost > 0 && !seen.isLate) suffered.push(`${seen.lost} sessions were lost`);
    return { next: seen.agent, grave: seen.grave, suffered, slight: [...slight, ...seen.broken] };
  } catch (error) {
    return { next: null, grave: [], suffered, slight: [...slight, messageOf(error)] };
  }
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
