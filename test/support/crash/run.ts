import { existsSync } from 'node:fs';
import type { Status } from '../../../agent/lifecycle/model/api.ts';
import { messageOf } from '../../../agent/system/error.ts';
import { type Agent, patience } from '../rig.ts';
import { recordAt } from '../state-file.ts';
import { until } from '../until.ts';
import { type AskedVerb, askUntilKilled, bootUntilKilled, startMortal } from './asking.ts';
import { type OldWorker, openOldWorker } from './old-worker.ts';
import { endsWell, resultsAt, sayResult } from './operation.ts';
import type { CrashPlace } from './place.ts';
import type { KillPoint } from './points.ts';
import { type Verb, VERBS, wayBack } from './verbs.ts';

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
  /** The application had its SIGTERM while a reload that forgets everything was under way: a user let in then is lost. */
  readonly isLate: boolean;
  /** The sidecar that goes on. */
  readonly agent: Agent;
}

/** One point at one place. */
interface Crash {
  readonly place: CrashPlace;
  readonly point: KillPoint;
  readonly verb: Verb;
  readonly program: string | undefined;
  readonly oldWorker: OldWorker | null;
  /** Before it: SIGTERMs of the application, and reboots of the machine. */
  readonly terms: number;
  readonly reboots: number;
}

/**
 * Asks for a verb, kills the sidecar at the point (where it is over before: then), starts the next one, and lets it bring
 * the node back.
 * @param first in service, started by `startMortal`
 * @throws Error where the node cannot be brought to where the verb begins, or back
 */
export async function crashAt(
  place: CrashPlace,
  first: Agent,
  point: KillPoint,
  program?: string,
): Promise<Crashed> {
  const verb: Verb = VERBS[point.verb];
  if (verb.before !== null) await endsWell(first, verb.before);
  const oldWorker = verb.hasOldWorker === true ? await openOldWorker(place) : null;
  const reboots = place.machine.reboots();
  const known = idsAt(place.state);
  const terms = (await place.node.terms()).length;
  const crash: Crash = { place, point, verb, program, oldWorker, terms, reboots };
  const asked =
    verb.isAfterBoot === true
      ? await bootUntilKilled(place, first, point, program)
      : await askUntilKilled(place, first, point, oldWorker);
  const id = asked.id ?? idsAt(place.state).findLast((one) => !known.includes(one)) ?? null;
  const { agent, isLate, broken, grave } = await goOn(crash, id, asked);
  grave.push(...(await judgeStops(crash, id, isLate, broken)));
  const { phase, hold } = await firstLook(agent);
  const back = wayBack(phase, hold !== null);
  if (back !== null) await endsWell(agent, back);
  await until('app1 is in service again', async () =>
    (await place.site.statuses()).get('app1')?.startsWith('UP'),
  );
  broken.push(...(await leftBehind(verb, place.site.dir)));
  return { grave, broken, isMet: asked.isKilled, isBegun: id !== null, isLate, agent };
}

/** The operations that the disk knows: those that have ended, and last the one that is under way. */
function idsAt(state: string): readonly string[] {
  const running = recordAt(state)?.op?.id;
  return [...resultsAt(state), ...(running === undefined ? [] : [running])];
}

/** Before its first look at HAProxy a sidecar says nothing of a hold. */
function firstLook({ client }: Agent): Promise<Status> {
  return until('the next sidecar knows where it is', async () => {
    const status = await client.status(patience());
    return status.phase !== 'starting' && status;
  });
}

/** A slot is given back once the node is in service: its caller has the end of the operation then. */
async function leftBehind({ leaves }: Verb, dir: string): Promise<readonly string[]> {
  if (leaves === undefined) return [];
  try {
    await until('nothing is left behind', () => leaves(dir).length === 0);
    return [];
  } catch (error) {
    return [messageOf(error), ...leaves(dir)];
  }
}

interface GoneOn {
  readonly agent: Agent;
  readonly isLate: boolean;
  readonly broken: string[];
  readonly grave: string[];
}

/** The next sidecar, until the operation has its end. */
async function goOn(crash: Crash, id: string | null, asked: AskedVerb): Promise<GoneOn> {
  const { place, point, verb, oldWorker } = crash;
  const broken: string[] = [...asked.broken];
  // One that was killed while it asked for the reboot does not know whether the machine has got it, and waits for it.
  const isRebooted = isAskedFor(crash);
  if (isRebooted && verb.reboots === true && verb.isAfterBoot !== true) place.machine.boot();
  const [isLate, next] = await Promise.all([
    point.reload ? reloadBeside(place, crash.terms) : false,
    startMortal(place, point.verb, crash),
  ]);
  let agent = next;
  if (id === null) await oldWorker?.letEnd(null);
  else {
    if (verb.reboots === true && !isRebooted) agent = await throughReboot(crash, next);
    const released = oldWorker?.letEnd(agent);
    broken.push(...(await endOf(place, agent, verb, id)));
    broken.push(...((await oldWorker?.judge()) ?? []));
    await released;
  }
  return { agent, isLate, broken, grave: judgeReboots(crash, id) };
}

function isAskedFor({ place, reboots }: Crash): boolean {
  return place.machine.reboots() > reboots || recordAt(place.state)?.op?.reboot === 'sent';
}

/** The sidecar asks for the reboot now; the one of the next boot is returned. */
async function throughReboot({ place, point, program, reboots }: Crash, agent: Agent): Promise<Agent> {
  const over = new AbortController();
  void agent.ended.then(() => over.abort());
  await place.machine.untilMoreThan(reboots, AbortSignal.any([over.signal, patience()]));
  await agent.kill();
  place.machine.boot();
  return startMortal(place, point.verb, { program });
}

/** Once for each operation, however often its sidecar was killed; one that was killed beside it may not have got to it. */
function judgeReboots({ place, verb, reboots }: Crash, id: string | null): string[] {
  const more = place.machine.reboots() - reboots;
  const most = verb.reboots === true && id !== null ? 1 : 0;
  return more > most ? [`the machine was rebooted ${more} times, not ${most}`] : [];
}

async function judgeStops(
  { place, verb, terms: before }: Crash,
  id: string | null,
  isLate: boolean,
  broken: string[],
): Promise<string[]> {
  const grave: string[] = [];
  const terms = (await place.node.terms()).slice(before);
  const stops = new Set(terms.map(({ pid }) => pid)).size;
  const wanted = id === null ? 0 : verb.stops;
  if (stops < wanted) broken.push(`no process of the application was stopped`);
  if (stops > wanted) grave.push(`${stops} processes of the application were stopped, not ${wanted}`);
  const within = terms.reduce((sum, { active }) => sum + active, 0);
  if (within > 0 && !isLate) grave.push(`${within} sessions lived in the application when it was stopped`);
  return grave;
}

async function endOf(place: CrashPlace, agent: Agent, verb: Verb, id: string): Promise<string[]> {
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
async function reloadBeside({ site, node }: CrashPlace, termsBefore: number): Promise<boolean> {
  // A signal that was sent is written down before the second answer.
  for (let asked = 0; asked < 2; asked++) await node.sessions();
  const terms = (await node.terms()).slice(termsBefore);
  await until('each process that had its SIGTERM has ended', () =>
    terms.every(({ pid }) => !existsSync(`/proc/${pid}`)),
  );
  await site.haproxy.reload(false);
  return terms.length === 0 && (await node.terms()).length > termsBefore;
}
