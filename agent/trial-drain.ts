import { createRuntimeBalancer } from './balancers/runtime-api/driver.ts';
import type { LiveRequest } from './cli/ports.ts';
import { composeEngine, onlyBalancers, type World } from './compose.ts';
import type { Config, HaproxyConfig } from './config/config.ts';
import type { LiveProof } from './doctor/diagnosis.ts';
import type { Examination } from './doctor/examination.ts';
import {
  cookieIn,
  judgeNewUser,
  judgeOldUser,
  type LiveAnswer,
  type LiveCookie,
  summedUp,
  unproven,
} from './doctor/live.ts';
import { readTotals } from './doctor/read/totals.ts';
import { whyNoTrial } from './doctor/trial-conditions.ts';
import type { Engine } from './engine/engine.ts';
import { operate } from './engine/operate.ts';
import type { Journal } from './journal/journal.ts';
import type { Admin, Look } from './lifecycle/model/observation.ts';
import type { Result, Status } from './lifecycle/model/api.ts';
import { OWN_TERMS } from './lifecycle/model/policy.ts';
import { sleep, withDeadline } from './system/clock.ts';
import { LastcallError, messageOf } from './system/error.ts';
import { httpGet, parseHttpUrl } from './system/http.ts';
import { randomId } from './system/random-id.ts';

/**
 * `lastcall doctor --live`: the node goes to DRAIN for as long as two requests take, and what was found is put back, by the
 * engine of direct mode. There is no fence, and the application is neither stopped nor asked.
 */

/** How long it may take until each server is read back in DRAIN. */
const DRAIN_MS = 10_000;
const REQUEST_MS = 10_000;
/** How long putting back what was found may take; after that it is reported as it is. */
const RESTORE_MS = 15_000;
/** The drain's own deadline: the engine ends the drain should this process be stopped in between. */
const WHOLE_MS = 60_000;

/** The record is the sidecar's; a kill -9 in the middle leaves DRAIN. */
const NO_JOURNAL: Journal = { load: async () => ({ kind: 'none' }), save: async () => undefined };

/** Between two tries to cancel a drain that admission still looks at. */
const AGAIN_MS = 50;

/**
 * @param live the frontend to ask, and what ends the trial
 * @throws LastcallError `config` for a URL that is none; nothing was begun then
 */
export async function drainOnTrial(
  examined: Examination,
  live: LiveRequest,
  world: World,
): Promise<LiveProof> {
  const untried = whyNoTrial(examined);
  if (untried !== null) return untried;
  const { config, haproxies } = examined;
  const servers = haproxies.flatMap((one) => (one.servers.ok ? one.servers.value : []));
  const own = servers.flatMap(({ cookie }) => cookie ?? []);
  const before = new Map(
    haproxies.flatMap(({ config: { address }, look }) => (look.ok ? foundBy(address, look.value) : [])),
  );
  const answering = haproxies.flatMap((one) => (one.look.ok ? one.config : []));
  const url = parseHttpUrl(live.url);
  const engine = engineOf(config, world);
  try {
    await engine.start();
    // From here on nothing is waited for until the drain is asked for.
    if (live.signal.aborted) return unproven(`${messageOf(live.signal.reason)}: no drain was tried`);
    return await tried(engine, { before, live, url, own, haproxies: answering }, world);
  } finally {
    await engine.close();
  }
}

function foundBy(address: string, { servers }: Look): [string, Admin | null][] {
  return servers.map(({ name, admin }) => [`${address}: ${name}`, admin]);
}

function engineOf(config: Config, world: World): Engine {
  const { drain } = config;
  const alone: Config = {
    ...config,
    // What is found in MAINT is no application of ours that is to come.
    adopt: false,
    app: { probe: null, onSignOut: 'ignore', start: null, stop: null },
    sessions: [],
    pool: null,
    lock: null,
    // Zero is never reached: the drain ends by being cancelled.
    drain: { ...drain, gate: null, warn: [], expiresMs: null, quietMs: 2 * WHOLE_MS, onTimeout: 'restore' },
  };
  const listed = config.balancers.filter((balancer) => balancer.kind === 'haproxy');
  const balancers = listed.map((one) =>
    createRuntimeBalancer({ ...one, timeoutMs: 2_000 }, { clock: world.clock }),
  );
  const parts = { journal: NO_JOURNAL, child: null, direct: true };
  return composeEngine(alone, parts, onlyBalancers(balancers), world);
}

interface Trial {
  /** Each server at each balancer, as it was before. */
  readonly before: ReadonlyMap<string, Admin | null>;
  readonly live: LiveRequest;
  readonly url: URL;
  /** HAProxy's cookies of this node. */
  readonly own: readonly LiveCookie[];
  /** Those that answered. */
  readonly haproxies: readonly HaproxyConfig[];
}

async function tried(engine: Engine, trial: Trial, world: World): Promise<LiveProof> {
  const id = randomId();
  const about = { id, kind: 'drain', reason: 'doctor --live', by: 'doctor' } as const;
  const request = {
    ...OWN_TERMS,
    ...about,
    fence: false,
    timeoutMs: WHOLE_MS,
    onTimeout: 'restore',
  } as const;
  const ended = operate(engine, request);
  trial.live.onBegun(() => remainingOf(engine, trial));
  const proofs: LiveProof[] = [];
  try {
    const early = await untilDrained(engine, trial, ended, world);
    if (early !== null) return unproven(`the drain was refused (${early.code}): ${early.message ?? ''}`);
    proofs.push(...(await ask(trial, world)));
  } catch (error) {
    proofs.push(unproven(messageOf(error)));
  }
  return summedUp([...proofs, await putBack(engine, trial, id, ended, world)]);
}

/** @returns null once every server is read back in DRAIN; the result where it ended before */
async function untilDrained(
  engine: Engine,
  { before, live: { signal } }: Trial,
  ended: Promise<Result>,
  { clock }: World,
): Promise<Result | null> {
  const late = (): LastcallError =>
    new LastcallError('failed', 'no DRAIN was seen in time', { elapsedMs: DRAIN_MS });
  let unwatch = (): void => undefined;
  try {
    return await withDeadline(clock, DRAIN_MS, signal, late, () => {
      const drained = new Promise<null>((resolve) => {
        const look = (status: Status): void => {
          const mine = [...serversOf(status)].filter(([server]) => before.get(server) === 'ready');
          if (mine.length > 0 && mine.every(([, admin]) => admin === 'drain')) resolve(null);
        };
        unwatch = engine.watch({ status: look, result: () => undefined });
        look(engine.status());
      });
      return Promise.race([drained, ended]);
    });
  } finally {
    unwatch();
  }
}

function serversOf({ balancers }: Status): ReadonlyMap<string, Admin | null> {
  return new Map(
    balancers.flatMap(({ name, servers }) =>
      servers.map((one) => [`${name}: ${one.name}`, one.admin] as const),
    ),
  );
}

/** The new user first: its answer names the cookie that this frontend uses. */
async function ask(trial: Trial, { clock }: World): Promise<LiveProof[]> {
  const { own } = trial;
  const fresh = await answerTo(trial, {}, clock);
  const name = cookieIn(fresh, own)?.name;
  const sent = own.find((one) => one.name === name) ?? own[0];
  if (sent === undefined) return [judgeNewUser(fresh, own)];
  const bound = await answerTo(trial, { cookie: `${sent.name}=${sent.value}` }, clock);
  return [judgeNewUser(fresh, own), judgeOldUser(bound, own, sent)];
}

async function answerTo(
  { url, live: { signal }, haproxies }: Trial,
  headers: Readonly<Record<string, string>>,
  clock: World['clock'],
): Promise<LiveAnswer> {
  const ports = { clock, signal };
  const before = await readTotals(haproxies, ports);
  const { status, setCookies } = await httpGet(url, REQUEST_MS, ports, { headers });
  const after = await readTotals(haproxies, ports);
  const reached = { reachedNode: after.node > before.node, reachedBackend: after.backends > before.backends };
  return { status, setCookies, ...reached };
}

async function putBack(
  engine: Engine,
  trial: Trial,
  id: string,
  ended: Promise<Result>,
  { clock }: World,
): Promise<LiveProof> {
  const late = (): LastcallError =>
    new LastcallError('failed', 'it was not put back in time', { elapsedMs: RESTORE_MS });
  // Admission may still look, and the drain begin after it: until then there is nothing to cancel.
  const cancelled = async (signal: AbortSignal): Promise<Result> => {
    while (engine.cancel(id, 'doctor') !== 'cancelling') await sleep(clock, AGAIN_MS, signal);
    return ended;
  };
  try {
    await withDeadline(clock, RESTORE_MS, trial.live.last, late, (own) =>
      Promise.race([ended, cancelled(own)]),
    );
    const left = remainingOf(engine, trial);
    return left.length === 0 ? { result: 'proven', seen: ['what was found is back'] } : leftBehind(left);
  } catch (error) {
    return leftBehind([messageOf(error), ...remainingOf(engine, trial)]);
  }
}

/** The servers that are not seen as before. */
function remainingOf(engine: Engine, { before }: Trial): string[] {
  const now = serversOf(engine.status());
  return [...before].filter(([server, admin]) => now.get(server) !== admin).map(([server]) => server);
}

function leftBehind(what: readonly string[]): LiveProof {
  const seen = `NOT put back: ${what.join(', ')}; see \`lastcall status\` and set it by hand`;
  return { result: 'refuted', seen: [seen] };
}
