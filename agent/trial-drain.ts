import { randomUUID } from 'node:crypto';
import { createRuntimeBalancer } from './balancers/runtime-api/driver.ts';
import { composeEngine, type World } from './compose.ts';
import type { Config } from './config/config.ts';
import type { LiveProof } from './doctor/diagnosis.ts';
import type { Examination } from './doctor/examination.ts';
import { cookieIn, judgeNewUser, judgeOldUser, type LiveCookie, summedUp, unproven } from './doctor/live.ts';
import type { Engine } from './engine/engine.ts';
import { operate } from './engine/operate.ts';
import type { Journal } from './journal/journal.ts';
import type { Admin, Look } from './lifecycle/model/observation.ts';
import type { Result, Status } from './lifecycle/model/api.ts';
import { OWN_TERMS } from './lifecycle/model/policy.ts';
import { withDeadline } from './system/clock.ts';
import { LastcallError, messageOf } from './system/error.ts';
import { httpGet, parseHttpUrl } from './system/http.ts';

/**
 * `lastcall doctor --live`: the node goes to DRAIN for as long as two requests take, and what was found is put back, by the
 * engine of direct mode. There is no fence, and the application is neither stopped nor asked.
 */

/** Until each server is read back in DRAIN. */
const DRAIN_MS = 10_000;
const REQUEST_MS = 10_000;
/** What was found is back by then, or is reported as it is. */
const RESTORE_MS = 15_000;
/** The engine's own end of it, should this process be stopped in between. */
const WHOLE_MS = 60_000;

/** The record is the sidecar's; a kill -9 in the middle leaves DRAIN. */
const NO_JOURNAL: Journal = { load: async () => ({ kind: 'none' }), save: async () => undefined };

/**
 * @param url of a frontend that leads to the backend of this node
 * @param signal ends the requests; what was found is put back all the same
 */
export async function drainOnTrial(
  { config, haproxies }: Examination,
  url: string,
  world: World,
  signal: AbortSignal,
): Promise<LiveProof> {
  const servers = haproxies.flatMap((one) => (one.servers.ok ? one.servers.value : []));
  const own = servers.flatMap(({ cookie }) => cookie ?? []);
  const [first] = own;
  if (first === undefined)
    return unproven('HAProxy binds no user of this node by a cookie: no drain was tried');
  if (config.balancers.some((one) => one.kind !== 'haproxy' || one.writer !== 'runtime'))
    return unproven('not every balancer is set by its Runtime API: no drain was tried');
  const engine = engineOf(config, world);
  try {
    await engine.start();
    const before = new Map(
      haproxies.flatMap(({ config: { address }, look }) => (look.ok ? foundBy(address, look.value) : [])),
    );
    return await tried(engine, { before, url: parseHttpUrl(url), own, first }, world, signal);
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
  return composeEngine(alone, { journal: NO_JOURNAL, balancers, child: null, direct: true }, world);
}

interface Trial {
  /** Each server at each balancer, as it was before. */
  readonly before: ReadonlyMap<string, Admin | null>;
  readonly url: URL;
  readonly own: readonly LiveCookie[];
  readonly first: LiveCookie;
}

async function tried(engine: Engine, trial: Trial, world: World, signal: AbortSignal): Promise<LiveProof> {
  const id = randomUUID();
  const about = { id, kind: 'drain', reason: 'doctor --live', by: 'doctor' } as const;
  const request = {
    ...OWN_TERMS,
    ...about,
    fence: false,
    timeoutMs: WHOLE_MS,
    onTimeout: 'restore',
  } as const;
  const ended = operate(engine, request);
  const proofs: LiveProof[] = [];
  try {
    const early = await untilDrained(engine, trial, ended, world, signal);
    if (early !== null) return unproven(`the drain was refused (${early.code}): ${early.message ?? ''}`);
    proofs.push(...(await ask(trial, world, signal)));
  } catch (error) {
    proofs.push(unproven(messageOf(error)));
  }
  return summedUp([...proofs, await putBack(engine, trial, id, ended, world)]);
}

/** @returns null once every server is read back in DRAIN; the result where it ended before */
async function untilDrained(
  engine: Engine,
  { before }: Trial,
  ended: Promise<Result>,
  { clock }: World,
  signal: AbortSignal,
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
async function ask({ url, own, first }: Trial, { clock }: World, signal: AbortSignal): Promise<LiveProof[]> {
  const ports = { clock, signal };
  const fresh = await httpGet(url, REQUEST_MS, ports);
  const name = cookieIn(fresh, own)?.name;
  const sent = own.find((one) => one.name === name) ?? first;
  const headers = { cookie: `${sent.name}=${sent.value}` };
  const bound = await httpGet(url, REQUEST_MS, ports, { headers });
  return [judgeNewUser(fresh, own), judgeOldUser(bound, own, sent)];
}

async function putBack(
  engine: Engine,
  { before }: Trial,
  id: string,
  ended: Promise<Result>,
  { clock }: World,
): Promise<LiveProof> {
  engine.cancel(id, 'doctor');
  const { signal } = new AbortController();
  const late = (): LastcallError =>
    new LastcallError('failed', 'it was not put back in time', { elapsedMs: RESTORE_MS });
  try {
    await withDeadline(clock, RESTORE_MS, signal, late, () => ended);
    const now = serversOf(engine.status());
    const left = [...before].filter(([server, admin]) => now.get(server) !== admin).map(([server]) => server);
    return left.length === 0
      ? { result: 'proven', seen: ['what was found is back'] }
      : leftBehind(left.join(', '));
  } catch (error) {
    return leftBehind(messageOf(error));
  }
}

function leftBehind(what: string): LiveProof {
  return { result: 'refuted', seen: [`NOT put back: ${what}; see \`lastcall status\` and set it by hand`] };
}
