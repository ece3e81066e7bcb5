import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import type { Result } from '../../../agent/lifecycle/model/api.ts';
import { errnoOf, messageOf } from '../../../agent/system/error.ts';
import type { CrowdedSite } from '../crowded-site.ts';
import { type Agent, patience } from '../rig.ts';
import { recordAt } from '../state-file.ts';
import { until } from '../until.ts';
import { arm, KILL_AT_WRITE, orderOf } from './kill.ts';
import type { KillPoint } from './points.ts';
import { type Verb, VERBS, type VerbName, wayBack } from './verbs.ts';

/** One crash and what came of it. */
export interface Crashed {
  /** What is not as promised, and no load of the machine may cause. */
  readonly grave: readonly string[];
  /** What is not as promised besides. */
  readonly broken: readonly string[];
  /** False where the operation was over before its point came: the sidecar was killed then. */
  readonly isMet: boolean;
  /** The operation had been accepted, or its intent was on disk. */
  readonly isBegun: boolean;
  /** The application had its SIGTERM while a reload that forgets everything was under way: who is let in is lost. */
  readonly isLate: boolean;
  /** The sidecar that goes on. */
  readonly agent: Agent;
}

/** Starts a sidecar that can be killed at its writes. */
export function startMortal(place: CrowdedSite, verb: VerbName, program?: string): Promise<Agent> {
  return place.start({
    sections: VERBS[verb].sections,
    preload: KILL_AT_WRITE,
    env: { LASTCALL_KILL_AT: orderOf(place) },
    ...(program === undefined ? {} : { program }),
  });
}

/**
 * Asks for a verb, kills the sidecar at the point (where it is over before: then), starts the next one, and lets it bring
 * the node back.
 * @param first in service, started by `startMortal`
 * @throws Error where the node cannot be brought to where the verb begins, or back
 */
export async function crashAt(
  place: CrowdedSite,
  first: Agent,
  point: KillPoint,
  program?: string,
): Promise<Crashed> {
  const verb: Verb = VERBS[point.verb];
  const { node, site } = place;
  if (verb.before !== null) await endsWell(first, verb.before);
  const termsBefore = (await node.terms()).length;
  const knownBefore = resultsAt(place.state);
  const killer = arm(place, first, point);
  const asked = await askUntilKilled(first, verb);
  killer.disarm();
  const id = asked.id ?? recordAt(place.state)?.op?.id ?? newIn(knownBefore, resultsAt(place.state));
  const [isLate, agent] = await Promise.all([
    point.reload ? reloadBeside(place, termsBefore) : false,
    startMortal(place, point.verb, program),
  ]);
  const broken: string[] = [...asked.broken];
  if (id !== null) broken.push(...(await endOf(place, agent, verb, id)));
  const terms = (await node.terms()).slice(termsBefore);
  const stops = new Set(terms.map(({ pid }) => pid)).size;
  const wanted = id === null ? 0 : verb.stops;
  const grave: string[] = [];
  if (stops < wanted) broken.push(`no process of the application was stopped`);
  if (stops > wanted) grave.push(`${stops} processes of the application were stopped, not ${wanted}`);
  const within = terms.reduce((sum, { active }) => sum + active, 0);
  if (within > 0 && !isLate) grave.push(`${within} sessions lived in the application when it was stopped`);
  const { phase, hold } = await agent.client.status(patience());
  const back = wayBack(phase, hold !== null);
  if (back !== null) await endsWell(agent, back);
  await until('app1 is in service again', async () => (await site.statuses()).get('app1')?.startsWith('UP'));
  return { grave, broken, isMet: asked.isKilled, isBegun: id !== null, isLate, agent };
}

interface AskedVerb {
  readonly id: string | null;
  readonly isKilled: boolean;
  readonly broken: readonly string[];
}

/** Returns once the sidecar is dead. */
async function askUntilKilled(agent: Agent, { body }: Verb): Promise<AskedVerb> {
  let id: string | null = null;
  const broken: string[] = [];
  const over = (async () => {
    const submitted = await agent.client.submit(body, patience());
    if (!submitted.accepted) return void broken.push(`refused: ${sayResult(submitted.result)}`);
    id = submitted.id;
    await agent.ends(submitted.id);
  })().then(
    () => 'over',
    (error: unknown) => messageOf(error),
  );
  const said = await Promise.race([over, agent.ended.then(() => 'killed')]);
  // Its connections end a moment before its end is seen.
  const isKilled = said !== 'over' && (await endsIn(agent, 2_000));
  await agent.kill();
  if (!isKilled && said !== 'over') broken.push(`not over: ${said}`);
  // The answer may be under way, and its caller has it.
  await over;
  return { id, isKilled, broken };
}

async function endsIn(agent: Agent, ms: number): Promise<boolean> {
  const late = AbortSignal.timeout(ms);
  return Promise.race([agent.ended.then(() => true), once(late, 'abort').then(() => false)]);
}

async function endOf(place: CrowdedSite, agent: Agent, verb: Verb, id: string): Promise<string[]> {
  const broken: string[] = [];
  try {
    const result = await agent.ends(id);
    const isThere = verb.phase === null || result.phase === verb.phase;
    const isRight = result.ok && result.code === 'done' && isThere;
    if (!isRight) broken.push(`it ended otherwise: ${sayResult(result)}`);
    await until(`HAProxy shows ${String(verb.status)}`, async () =>
      verb.status.test((await place.site.statuses()).get('app1') ?? ''),
    );
  } catch (error) {
    const shown = (await place.site.statuses()).get('app1');
    broken.push(`${messageOf(error)} (HAProxy shows ${shown})`);
  }
  return broken;
}

/**
 * Reloads HAProxy, which forgets every state. Where the application has its SIGTERM, its end comes first: a user who is
 * let in between the two is lost with it, and only a gate or a state file could prevent that.
 * @returns whether it had its SIGTERM meanwhile
 */
async function reloadBeside({ site, node }: CrowdedSite, termsBefore: number): Promise<boolean> {
  // A signal that was sent is written down before the second answer.
  for (let asked = 0; asked < 2; asked++) await node.sessions();
  const terms = (await node.terms()).slice(termsBefore);
  await until('each process that had its SIGTERM has ended', () =>
    terms.every(({ pid }) => !existsSync(`/proc/${pid}`)),
  );
  await site.haproxy.reload(false);
  return terms.length === 0 && (await node.terms()).length > termsBefore;
}

async function endsWell(agent: Agent, body: Verb['body']): Promise<void> {
  const submitted = await agent.client.submit(body, patience());
  const result = submitted.accepted ? await agent.ends(submitted.id) : submitted.result;
  if (!result.ok) throw new Error(`${body.operation} on the way: ${sayResult(result)}`);
}

function sayResult({ code, phase, message }: Result): string {
  return `${code} in ${phase}${message === undefined ? '' : `: ${message}`}`;
}

/** The ids of the operations whose ends the disk knows, oldest first. */
function resultsAt(path: string): readonly string[] {
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as {
      readonly record: { readonly results?: readonly Result[] };
    };
    return (file.record.results ?? []).map(({ id }) => id);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function newIn(before: readonly string[], now: readonly string[]): string | null {
  return now.find((id) => !before.includes(id)) ?? null;
}
