import fc from 'fast-check';
import type { OnTimeout, OperationKind, Request } from '../../../agent/lifecycle/operation.ts';
import type { Policy } from '../../../agent/lifecycle/policy.ts';
import { createDisk } from './disk.ts';
import type { Mode, SimServer } from './haproxy.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { createSidecar, type SimSidecar, type Taken, type World } from './sidecar.ts';
import { createSite } from './site.ts';
import { createTimeline } from './timeline.ts';

/** One thing that happens, after a pause; `which` picks among the balancers, servers and sources. */
export type Deed = { readonly after: number; readonly which: number } & (
  | { readonly do: 'submit'; readonly request: Omit<Request, 'id'> }
  | { readonly do: 'operator'; readonly admin: 'ready' | 'drain' | 'maint' }
  | { readonly do: 'reload'; readonly stateFile: boolean }
  /** `leak`: what comes below as well, while nobody watches. */
  | { readonly do: 'crash'; readonly leak: boolean }
  /** A reload that forgets everything, and somebody who comes right after it. */
  | { readonly do: 'leak' }
  /** DNS or a tracked server puts its state over the server's own, and takes it away the next time. */
  | { readonly do: 'cover'; readonly over: SimServer['over'] }
  | { readonly do: 'mode'; readonly mode: Mode }
  | { readonly do: 'others'; readonly others: number | null }
  | { readonly do: 'start'; readonly start: 'works' | 'fails' | 'unhealthy' }
  | { readonly do: 'stop'; readonly stop: 'works' | 'fails' }
  | { readonly do: Plain }
);

const PLAIN = [
  'cancel',
  'hurry',
  'visit',
  'click',
  'leave',
  'enqueue',
  'die',
  'revive',
  'source',
  'telling',
  'old-workers',
  /** A reload that removes the server's line, and the next time brings it back. */
  'line',
  'disk',
  'sign-out',
] as const;
type Plain = (typeof PLAIN)[number];

export interface Campaign {
  readonly seed: number;
  readonly policy: Policy;
  readonly deeds: readonly Deed[];
  /** Whether the world answers once the deeds are done; operations end either way (I14). */
  readonly answersAtLast: boolean;
}

const KINDS: readonly OperationKind[] = ['drain', 'stop', 'ready', 'restart'];
const ON_TIMEOUT: readonly OnTimeout[] = ['restore', 'hold', 'force'];

const seldom = fc.integer({ min: 0, max: 5 }).map((n) => n === 0);
const request = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    reason: fc.constant(null),
    by: fc.constant('test'),
    timeoutMs: fc.constantFrom(null, 300, 2_000, 8_000),
    onTimeout: fc.constantFrom(null, ...ON_TIMEOUT),
    expiresMs: fc.constantFrom(null, null, 1_500),
    force: seldom,
    fence: seldom.map((not) => !not),
    dryRun: seldom,
    insist: seldom,
  })
  // A shutdown is a stop, and cannot be refused.
  .map((asked) => (asked.kind === 'stop' && !asked.dryRun ? asked : { ...asked, insist: false }));
const deed = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('submit' as const), request }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('operator' as const),
      admin: fc.constantFrom('ready' as const, 'drain' as const, 'maint' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reload' as const), stateFile: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('leak' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), leak: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('mode' as const),
      mode: fc.constantFrom<Mode>('answers', 'answers', 'slow', 'refuses', 'silent'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('cover' as const),
      over: fc.constantFrom<SimServer['over']>(
        { admin: 'maint', by: 'resolution' },
        { admin: 'maint', by: 'tracked' },
        { admin: 'drain', by: 'tracked' },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('others' as const), others: fc.constantFrom(null, 0, 2) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('start' as const),
      start: fc.constantFrom('works' as const, 'works' as const, 'fails' as const, 'unhealthy' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('stop' as const),
      stop: fc.constantFrom('works' as const, 'fails' as const),
    }),
  },
  { weight: 14, arbitrary: fc.record({ do: fc.constantFrom<Plain>(...PLAIN) }) },
);
const timed = fc
  .tuple(fc.record({ after: fc.constantFrom(0, 1, 5, 20, 60, 200, 700, 2_500), which: fc.nat(7) }), deed)
  .map(([when, what]) => ({ ...when, ...what }) as Deed);

const anyPolicy: fc.Arbitrary<Policy> = fc.record({
  node: fc.constant('app1'),
  balancers: fc.constantFrom(
    [{ name: 'lb1', servers: ['app/app1'], counts: true, seesOldWorkers: true }],
    [
      { name: 'lb1', servers: ['app/app1', 'api/app1'], counts: true, seesOldWorkers: true },
      { name: 'lb2', servers: ['app/app1'], counts: true, seesOldWorkers: true },
    ],
  ),
  sources: fc.constantFrom([], ['http'], ['http', 'http 2']),
  userSources: fc.constant(['http', 'http 2']),
  appSources: fc.constant(['http', 'http 2']),
  kernelSource: fc.constant(null),
  unreachable: fc.constant('wait' as const),
  foreignDrain: fc.constant('refuse' as const),
  reloadGraceMs: fc.constant(600_000),
  hasGate: seldom,
  reloadsKeepState: fc.constant(false),
  warnBeforeMs: fc.constantFrom([], [500]),
  closePerSecond: fc.constant(20),
  sticky: fc.constantFrom(true, false, 'auto' as const),
  quietMs: fc.constantFrom(0, 100, 1_000),
  quietByHand: fc.boolean(),
  keep: fc.constantFrom(0, 1),
  keepBackups: fc.constant(false),
  ignoreServers: fc.constant([]),
  timeoutMs: fc.constantFrom(1_000, 4_000),
  onTimeout: fc.constantFrom(...ON_TIMEOUT),
  expiresMs: fc.constantFrom(null, 3_000),
  hasProbe: fc.boolean(),
  canStop: fc.constant(true),
  canStart: fc.boolean(),
  stopRepeatable: fc.boolean(),
  onSignOut: fc.constantFrom('drain' as const, 'stop' as const, 'ignore' as const),
  adopt: fc.boolean(),
  operatorReady: fc.constant(false),
  supervises: fc.boolean(),
});

/** Who is the parent of the application can always start it and stop it again. */
const policy = anyPolicy.map((drawn) =>
  drawn.supervises ? { ...drawn, canStart: true, stopRepeatable: true } : drawn,
);

export const campaigns: fc.Arbitrary<Campaign> = fc.record({
  seed: fc.integer(),
  policy,
  deeds: fc.array(timed, { minLength: 1, maxLength: 30 }),
  answersAtLast: fc.boolean(),
});

/** Long enough for every deadline, patience and retry that the campaign's policies have. */
const REST_MS = 60_000;

/**
 * Plays it through; throws when the oracle sees a promise broken. Answers what came of it.
 * @param also sees every step too
 */
export function play(
  { seed, policy: decided, deeds, answersAtLast }: Campaign,
  also: (taken: Taken) => void = () => undefined,
): SimSidecar {
  const time = createTimeline(seed);
  const world: World = { time, policy: decided, site: createSite(time, decided), disk: createDisk(time) };
  const oracle = createOracle(world);
  const sidecar = createSidecar(world, (taken) => {
    oracle.watch(taken);
    also(taken);
  });
  sidecar.boot();
  time.advance(200);
  deeds.forEach((one, index) => {
    time.advance(one.after);
    if (one.do === 'crash') {
      oracle.crashed(sidecar.state);
      sidecar.crash();
      if (one.leak) leak(world, one.which);
      time.advance(time.between(0, 300));
      return sidecar.boot();
    }
    if (one.do !== 'submit') return act(world, sidecar, one);
    const asked = { ...one.request, id: `r${index}` };
    oracle.submitted(asked);
    sidecar.post({ type: 'submit', request: asked });
  });
  calm(world, answersAtLast);
  time.advance(REST_MS);
  oracle.ended(sidecar.state);
  if (answersAtLast) takeOut(world, sidecar, oracle);
  return sidecar;
}

/** However the node came to be where it is: where everybody answers, it can be taken out again. */
function takeOut({ site, time }: World, sidecar: SimSidecar, oracle: Oracle): void {
  site.failing.clear();
  site.users.length = 0;
  for (const balancer of site.balancers) Object.assign(balancer, { telling: true, seesOldWorkers: true });
  Object.assign(site.app, { stop: 'works', start: 'works' });
  const asked: Request = { ...LAST, id: 'last' };
  oracle.submitted(asked);
  sidecar.post({ type: 'submit', request: asked });
  time.advance(REST_MS);
  oracle.ended(sidecar.state);
  const result = sidecar.results.find(({ id }) => id === asked.id);
  if (result?.code === 'busy') throw new Error(`stuck: ${result.message}`);
}

const LAST: Omit<Request, 'id'> = {
  kind: 'stop',
  reason: 'the last one',
  by: 'test',
  timeoutMs: null,
  onTimeout: null,
  expiresMs: null,
  force: true,
  fence: true,
  dryRun: false,
  insist: false,
};

function leak({ site }: World, which: number): void {
  const balancer = site.balancers[which % site.balancers.length];
  const server = balancer?.servers[which % balancer.servers.length];
  if (!balancer || !server) return;
  balancer.reload(false);
  site.visit({ balancer, server });
}

function act(world: World, sidecar: SimSidecar, one: Deed): void {
  const { site, disk, policy: decided } = world;
  const at = site.balancers[one.which % site.balancers.length];
  const server = at?.servers[one.which % at.servers.length];
  if (!at || !server) return;
  switch (one.do) {
    case 'submit':
    case 'crash':
      return;
    case 'operator':
      return at.mode === 'answers' ? at.set(server.name, one.admin, 'operator') : undefined;
    case 'reload':
      return at.reload(one.stateFile);
    case 'leak':
      return leak(world, one.which);
    case 'cover':
      server.over = server.over === null ? one.over : null;
      return;
    case 'line':
      at.reload(false);
      server.absent = !server.absent;
      return;
    case 'mode':
      return at.setMode(one.mode);
    case 'others':
      at.others = one.others;
      return;
    case 'start':
      site.app.start = one.start;
      return;
    case 'stop':
      site.app.stop = one.stop;
      return;
    case 'cancel':
      return sidecar.post({ type: 'cancel', id: sidecar.state.op?.id ?? '', by: 'test' });
    case 'hurry':
      return sidecar.post({ type: 'hurry' });
    case 'sign-out':
      return sidecar.probed('up', true);
    case 'visit':
      return site.visit();
    case 'click':
      return site.click();
    case 'leave':
      return site.leave();
    case 'enqueue':
      return site.enqueue();
    case 'die':
      site.die();
      return decided.hasProbe ? sidecar.probed('down') : undefined;
    case 'revive':
      site.revive();
      return decided.hasProbe ? sidecar.probed('up') : undefined;
    case 'source':
      return toggle(site.failing, decided.sources[one.which % Math.max(1, decided.sources.length)]);
    case 'telling':
      at.telling = !at.telling;
      return;
    case 'old-workers':
      at.seesOldWorkers = !at.seesOldWorkers;
      return;
    case 'disk':
      disk.failing = !disk.failing;
      return;
    default:
      return one satisfies never;
  }
}

function toggle(all: Set<string>, one: string | undefined): void {
  if (one === undefined) return;
  if (!all.delete(one)) all.add(one);
}

function calm({ site, disk }: World, answers: boolean): void {
  disk.failing = false;
  for (const balancer of site.balancers) balancer.setMode(answers ? 'answers' : 'refuses');
}
