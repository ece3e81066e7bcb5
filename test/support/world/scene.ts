import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { OperationKind, Phase, Request, Result } from '../../../agent/lifecycle/model/api.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import { createDisk, type SimDisk } from './disk.ts';
import type { SimHaproxy } from './haproxy.ts';
import { SimLock } from './lock.ts';
import { createOracle } from './oracle.ts';
import { createSidecar, type SimSidecar } from './sidecar.ts';
import { createSite, type SimSite } from './site.ts';
import { createTimeline, type Timeline } from './timeline.ts';

/** One node behind one balancer, with a probe, a source that counts its users, and a stop and a start that work. */
export const POLICY: Policy = {
  node: 'app1',
  balancers: [{ name: 'lb1', servers: ['app/app1'], counts: true, seesOldWorkers: true }],
  sources: ['http'],
  userSources: ['http', 'http 2'],
  appSources: ['http', 'http 2'],
  kernelSource: null,
  unreachable: 'wait',
  foreignDrain: 'refuse',
  reloadGraceMs: 600_000,
  hasGate: false,
  reloadsKeepState: false,
  warnBeforeMs: [],
  closePerSecond: 1_000,
  sticky: 'auto',
  quietMs: 1_000,
  quietExplicit: false,
  keep: 1,
  keepBackups: false,
  ignoreServers: [],
  timeoutMs: 30 * 60_000,
  onTimeout: 'restore',
  returnMs: 30 * 60_000,
  rebootMs: 300_000,
  warmUpMs: 0,
  soakMs: 0,
  expiresMs: null,
  hasProbe: true,
  canStop: true,
  canStart: true,
  pool: null,
  stopIsIdempotent: true,
  stopProves: true,
  onSignOut: 'drain',
  adopt: false,
  readyTakesOver: false,
  supervises: false,
};

/** A node that serves, and hands to move it; the oracle watches here too. */
export interface Scene {
  readonly time: Timeline;
  readonly site: SimSite;
  readonly disk: SimDisk;
  readonly sidecar: SimSidecar;
  /** Of its pool, where the policy has one. */
  readonly lock: SimLock;
  readonly policy: Policy;
  /** The first balancer. */
  readonly lb: SimHaproxy;
  readonly effects: readonly Effect[];
  admin(server?: string): Admin;
  /** Submits and answers with the id; nothing has happened yet. */
  ask(kind: OperationKind, terms?: Partial<Request>): string;
  /** Cancels the operation that runs. */
  cancel(): void;
  result(id: string): Result | undefined;
  /** Lets time pass until the result is there. */
  ended(id: string): Result;
  /** Lets time pass until the node is in that phase. */
  reach(phase: Phase): void;
  /** Lets time pass in tenths of a millisecond until it is so; a minute at most. */
  until(what: string, isSo: () => boolean): void;
  /**
   * kill -9, and a new sidecar some milliseconds later.
   * @param changes the configuration was changed meanwhile
   * @param meanwhile what happens while no sidecar is there
   */
  crash(changes?: Partial<Policy>, meanwhile?: () => void): void;
}

const TERMS: Omit<Request, 'id' | 'kind'> = {
  reason: null,
  by: 'test',
  timeoutMs: null,
  onTimeout: null,
  expiresMs: null,
  force: false,
  fence: true,
  dryRun: false,
  isShutdown: false,
};
const PATIENCE_MS = 2 * 60 * 60_000;

/** @param balancers what HAProxy has, where that is more than the configuration names at first */
export function scene(
  changes: Partial<Policy> = {},
  before: (site: SimSite) => void = () => undefined,
  balancers?: Policy['balancers'],
): Scene {
  const policy = { ...POLICY, ...changes };
  const time = createTimeline(1);
  const world = {
    time,
    policy,
    site: createSite(time, { ...policy, balancers: balancers ?? policy.balancers }),
    disk: createDisk(time),
    lock: new SimLock(),
  };
  const oracle = createOracle(world);
  const effects: Effect[] = [];
  const sidecar = createSidecar(world, (taken) => {
    oracle.watch(taken);
    effects.push(...taken.effects);
  });
  const lb = world.site.balancers[0] as SimHaproxy;
  let asked = 0;
  const wait = (what: string, isOver: () => boolean, stepMs: number): void => {
    const end = time.now + PATIENCE_MS;
    while (!isOver()) {
      if (time.now > end) throw new Error(`waited two hours for ${what}; it is ${sidecar.state.phase}`);
      time.advance(stepMs);
    }
  };
  before(world.site);
  sidecar.boot();
  time.advance(700);

  return {
    ...world,
    policy,
    sidecar,
    lb,
    effects,
    admin: (server = 'app/app1') => lb.server(server).admin,
    ask(kind, terms = {}) {
      const request: Request = { ...TERMS, ...terms, kind, id: `${kind}${(asked += 1)}` };
      oracle.submitted(request);
      sidecar.post({ type: 'submit', request });
      return request.id;
    },
    cancel: () => sidecar.post({ type: 'cancel', id: sidecar.state.op?.id ?? '', by: 'alice' }),
    result: (id) => sidecar.results.findLast((result) => result.id === id),
    ended(id) {
      wait(`the end of ${id}`, () => sidecar.results.some((result) => result.id === id), 1);
      return sidecar.results.findLast((result) => result.id === id) as Result;
    },
    reach: (phase) => wait(phase, () => sidecar.state.phase === phase, 1),
    until(what, isSo) {
      const end = time.now + 60_000;
      while (!isSo()) {
        if (time.now > end) throw new Error(`waited a minute for ${what}; it is ${sidecar.state.phase}`);
        time.advance(0.1);
      }
    },
    crash(newer = {}, meanwhile = () => undefined) {
      oracle.crashed(sidecar.state);
      sidecar.crash();
      world.policy = { ...world.policy, ...newer };
      meanwhile();
      time.advance(200);
      sidecar.boot();
      time.advance(100);
    },
  };
}
