import { once } from 'node:events';
import { messageOf } from '../../../agent/system/error.ts';
import { type Agent, patience } from '../rig.ts';
import type { Sidecar } from '../sidecar.ts';
import { recordAt } from '../state-file.ts';
import { arm, type Killer, KILL_AT_WRITE, orderOf } from './kill.ts';
import type { OldWorker } from './old-worker.ts';
import type { CrashPlace } from './place.ts';
import type { KillPoint } from './points.ts';
import { sayResult, submitted } from './operation.ts';
import { type Verb, VERBS, type VerbName } from './verbs.ts';

/** The life of the sidecar that is killed. */

/** How it was. */
export interface AskedVerb {
  /** Of the operation, as far as its caller knows it. */
  readonly id: string | null;
  /** False where the operation was over before the point came: it was killed then. */
  readonly isKilled: boolean;
  readonly broken: readonly string[];
}

/** Another lastcall.cjs, and what is done once its process is there. */
export interface MortalOptions {
  readonly program?: string | undefined;
  readonly onSpawn?: (life: SidecarProcess) => void;
}

/** The process of a sidecar, whether it takes connections or not. */
type SidecarProcess = Pick<Sidecar, 'kill' | 'ended'>;

/** Starts a sidecar that can be killed at its writes, on the machine of that place. */
export function startMortal(place: CrashPlace, verb: VerbName, options: MortalOptions = {}): Promise<Agent> {
  const { program, onSpawn } = options;
  return place.start({
    sections: { balancers: balancersOf(place), ...(VERBS[verb] as Verb).sections(place.site.dir) },
    preload: KILL_AT_WRITE,
    env: { LASTCALL_KILL_AT: orderOf(place), ...place.machine.env },
    ...(program === undefined ? {} : { program }),
    ...(onSpawn === undefined ? {} : { onSpawn }),
  });
}

function balancersOf({ recorder, master, node }: CrashPlace): readonly object[] {
  return [{ haproxy: recorder.socket, master: master.socket, servers: [`app/${node.name}`] }];
}

/** Asks for the verb, and returns once the sidecar is dead. */
export async function askUntilKilled(
  place: CrashPlace,
  agent: Agent,
  point: KillPoint,
  oldWorker: OldWorker | null,
): Promise<AskedVerb> {
  const { body, reboots } = VERBS[point.verb] as Verb;
  const killer = arm(place, () => agent.kill(), point);
  let id: string | null = null;
  const broken: string[] = [];
  const before = place.machine.reboots();
  const over = new AbortController();
  const ended = (async () => {
    const answer = await agent.client.submit(body, patience());
    if (!answer.accepted) return void broken.push(`refused: ${sayResult(answer.result)}`);
    id = answer.id;
    await Promise.all([
      reboots === true ? place.machine.untilMoreThan(before, over.signal) : agent.ends(answer.id),
      oldWorker?.letEnd(agent),
    ]);
  })();
  const isKilled = await endedOrKilled(ended, agent, killer, broken);
  over.abort();
  // The answer may be under way, and its caller has it.
  await Promise.allSettled([ended]);
  return { id, isKilled, broken };
}

/**
 * Brings the node to where its machine has booted for a `reboot`, starts the sidecar there, and returns once it is dead.
 * @param agent the sidecar of before the boot, in service
 */
export async function bootUntilKilled(
  place: CrashPlace,
  agent: Agent,
  point: KillPoint,
  program: string | undefined,
): Promise<AskedVerb> {
  const { machine, state } = place;
  const before = machine.reboots();
  const id = await submitted(agent, VERBS[point.verb].body);
  await machine.untilMoreThan(before, patience());
  await agent.kill();
  if (recordAt(state)?.op?.id !== id)
    throw new Error(`the reboot ${id} is not on disk when it was asked for`);
  machine.boot();
  let onSpawn: (life: SidecarProcess) => void = () => undefined;
  const spawned = new Promise<SidecarProcess>((resolve) => (onSpawn = resolve));
  const killer = arm(place, async () => (await spawned).kill(), point);
  const ended = startMortal(place, point.verb, { program, onSpawn }).then((next) => next.ends(id));
  const broken: string[] = [];
  const isKilled = await endedOrKilled(
    ended,
    await Promise.race([spawned, ended.then(() => spawned)]),
    killer,
    broken,
  );
  return { id, isKilled, broken };
}

/** @returns whether it was killed at its point, before what it was waited for */
async function endedOrKilled(
  work: Promise<unknown>,
  life: SidecarProcess,
  killer: Killer,
  broken: string[],
): Promise<boolean> {
  const over = work.then(
    () => 'over',
    (error: unknown) => messageOf(error),
  );
  const said = await Promise.race([over, life.ended.then(() => 'killed')]);
  // Its connections end a moment before its end is seen.
  const isKilled = said !== 'over' && (await endsIn(life.ended, 2_000));
  killer.disarm();
  await life.kill();
  if (!isKilled && said !== 'over') broken.push(`not over: ${said}`);
  return isKilled;
}

async function endsIn(ended: Promise<void>, ms: number): Promise<boolean> {
  const late = AbortSignal.timeout(ms);
  return Promise.race([ended.then(() => true), once(late, 'abort').then(() => false)]);
}
