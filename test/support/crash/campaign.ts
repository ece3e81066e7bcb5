import { messageOf } from '../../../agent/system/error.ts';
import { allEnded } from '../all-ended.ts';
import type { Agent } from '../rig.ts';
import { watchRunDelay } from '../run-delay.ts';
import { createReplays, excuseFor, type JudgedRun, replaysOf, type Replays } from './excuse.ts';
import { type KillPoint, nameOf } from './points.ts';
import { startMortal } from './asking.ts';
import { type CrashPlace, openCrashPlace } from './place.ts';
import { crashAt, type Crashed } from './run.ts';
import { VERB_NAMES, VERBS, type VerbName } from './verbs.ts';

/** kill -9 of the sidecar at every write and every exchange of every verb, at several sites beside each other. */

export interface CrashSums {
  runs: number;
  /** Of them, those whose operation was over before their point came. */
  after: number;
  /** Those killed before anything of the operation was on disk. */
  unbegun: number;
  reloads: number;
  /** Runs that were played again: a process had no processor, by the kernel's figures, which alone may have spoilt them. */
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
  /** Called after each point, with the number of those that were played. */
  onPlayed?(runs: number): void;
  /** No other point is begun once one has broken a promise. */
  readonly untilBroken?: boolean;
}

interface CrashPlan extends CrashOrder {
  readonly again: KillPoint[];
  readonly replays: Replays<KillPoint>;
}

/** So many sites in succession may fail to open or to close. */
const MOST_MISHAPS = 3;

/** So many of the points, each verb's in turn, from the first on again where there are fewer. */
export function spread(points: readonly KillPoint[], count: number): KillPoint[] {
  const stride = Math.max(1, points.length / count);
  const chosen = Array.from(
    { length: count },
    (_none, at) => points[Math.floor(at * stride) % points.length],
  );
  return chosen.flatMap((point) => point ?? []);
}

/** Plays the points, and within the bounds of excuse.ts those again for which a process had no processor. */
export async function playCrashes(asked: CrashOrder): Promise<CrashSums> {
  const plan: CrashPlan = { ...asked, again: [], replays: createReplays(asked.points.length) };
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
  do {
    queue.push(...plan.again.splice(0));
    await allEnded(Array.from({ length: sites }, work));
  } while (plan.again.length > 0);
  const most = replaysOf(plan.points.length);
  if (sums.mishaps.length > most)
    sums.broken.push(`${sums.mishaps.length} sites could not be used, ${most} at most may be so`);
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
      if (mishaps > MOST_MISHAPS) throw error;
    }
  }
}

/** Plays the queue at one site. Returns early after a broken promise: the next run has a site that is as new. */
async function workAt(
  place: CrashPlace,
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
 * @returns the sidecar that goes on; null where a promise was broken, or the point is to be played again
 */
async function playOne(
  place: CrashPlace,
  agent: Agent | null,
  point: KillPoint,
  plan: CrashPlan,
  sums: CrashSums,
): Promise<Agent | null> {
  const [fromMs, ended] = [performance.now(), watchRunDelay(() => place.processes())];
  const { next, grave, suffered, otherwise, ...harmed } = await judged(place, agent, point, plan, sums);
  const [toMs, series] = [performance.now(), ended()];
  sums.runs += 1;
  plan.onPlayed?.(sums.runs);
  if (point.reload) sums.reloads += 1;
  const line = [...grave, ...suffered, ...otherwise].join('; ');
  if (line === '') return next;
  const run = { ...harmed, fromMs, toMs, series, isOtherwise: otherwise.length > 0 };
  const excuse = grave.length > 0 ? null : excuseFor(run);
  const bound = excuse === null ? null : plan.replays.take(point);
  const isAgain = excuse !== null && bound === null;
  const said = `${nameOf(point)}: ${line} (${[isAgain ? 'played again' : (bound ?? 'nothing excuses it'), excuse].filter(Boolean).join(': ')})`;
  if (isAgain) plan.again.push(point);
  else sums.broken.push(said);
  sums.again = plan.replays.taken;
  plan.onBroken(said, point);
  return null;
}

interface Judged extends Pick<JudgedRun, 'lost' | 'failed' | 'harms'> {
  readonly next: Agent | null;
  /** What no load of the machine may cause. */
  readonly grave: readonly string[];
  /** What users suffered. */
  readonly suffered: readonly string[];
  readonly otherwise: readonly string[];
}

async function judged(
  place: CrashPlace,
  agent: Agent | null,
  point: KillPoint,
  plan: CrashPlan,
  sums: CrashSums,
): Promise<Judged> {
  // What users suffer until an error is theirs all the same.
  const seen = await place.during(async () => {
    try {
      const first = agent ?? (await serving(place, point.verb, plan.program));
      return await crashAt(place, first, point, plan.program);
    } catch (error) {
      return { ...UNKNOWN, broken: [messageOf(error)] };
    }
  });
  const { agent: next, grave, isMet, isBegun, isLate, failed, failures } = seen;
  const lost = isLate ? 0 : seen.lost;
  const harms = isLate ? seen.harms.filter(({ kind }) => kind === 'failed') : seen.harms;
  if (next !== null) addUp({ isMet, isBegun, isLate }, sums);
  sums.failed += failed;
  sums.lost += lost;
  const suffered = [
    ...(failed > 0 ? [`${failed} failed requests: ${failures.join(', ')}`] : []),
    ...(lost > 0 ? [`${lost} sessions were lost`] : []),
  ];
  const { verb, what, n } = point;
  const isLast = isMet && n === VERBS[verb].counts[what];
  const more = isLast ? [`${verb} has more than ${n} of ${what}: raise it in verbs.ts`] : [];
  return { next, grave, suffered, otherwise: [...more, ...seen.broken], failed, lost, harms };
}

/** Of a run that ended by an error. */
const UNKNOWN = { agent: null, grave: [], isMet: false, isBegun: false, isLate: false } as const;

function addUp(seen: Pick<Crashed, 'isMet' | 'isBegun' | 'isLate'>, sums: CrashSums): void {
  if (!seen.isMet) sums.after += 1;
  if (!seen.isBegun) sums.unbegun += 1;
  if (seen.isLate) sums.late += 1;
}

async function serving(place: CrashPlace, verb: VerbName, program?: string): Promise<Agent> {
  const agent = await startMortal(place, verb, { program });
  await agent.reaches('serving');
  return agent;
}

async function atSite<T>(work: (place: CrashPlace) => Promise<T>): Promise<T> {
  const place = await openCrashPlace();
  try {
    return await work(place);
  } finally {
    await place.close();
  }
}
