import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { Dimension } from './dimensions.ts';
import type { Draw } from './draw.ts';

export interface LbPlan {
  readonly name: string;
  readonly polls: boolean;
  /** Servers of the node in each version of the configuration. */
  readonly servers: readonly [readonly string[], readonly string[]];
}

/** What stands still in a campaign: how many nodes and balancers, and how each node is configured at each boot. */
export interface Layout {
  readonly nodes: number;
  readonly hasMaster: boolean;
  readonly tellsElapsed: boolean;
  readonly lbs: readonly LbPlan[];
  /** Two versions for each node; most campaigns have the same one twice. */
  readonly policies: readonly (readonly [Policy, Policy])[];
}

/** Longer than a replaced worker may live (`HARD_STOP_MS`). */
const GRACE_MS = 20_000;

export function drawLayout(draw: Draw, dims: ReadonlySet<Dimension>): Layout {
  const nodes = dims.has('pool') || hasLock(dims) ? 2 : 1;
  const hidden = dims.has('no-master') || dims.has('kernel');
  const lbs = drawLbs(draw, dims);
  const terms = drawTerms(draw, dims);
  return {
    nodes,
    hasMaster: !hidden || draw.chance(0.2),
    tellsElapsed: dims.has('elapsed'),
    lbs,
    policies: Array.from({ length: nodes }, (_, node) => {
      const own = { ...terms, node: `app${node + 1}`, pool: null };
      const version = (which: 0 | 1): Policy => {
        const balancers = balancersOf(lbs, node, which, hidden);
        return { ...own, balancers, pool: hasLock(dims) ? poolOf(node, balancers) : null };
      };
      return [version(0), version(1)] as const;
    }),
  };
}

function hasLock(dims: ReadonlySet<Dimension>): boolean {
  return dims.has('slots') || dims.has('neighbour') || dims.has('soak');
}

function poolOf(node: number, balancers: Policy['balancers']): Policy['pool'] {
  const readable = balancers.filter(({ counts }) => counts);
  return {
    name: 'app',
    lock: ['file /lock'],
    slots: 1,
    brake: 1,
    servers: Object.fromEntries(balancers.map(({ name, servers, counts }) => [name, counts ? servers : []])),
    balancers: Object.fromEntries(readable.map(({ name }) => [name, name])),
    seed: `${node + 1}`.repeat(10),
  };
}

function drawLbs(draw: Draw, dims: ReadonlySet<Dimension>): LbPlan[] {
  const both = (...servers: string[]): LbPlan['servers'] => [servers, servers];
  const lbs: LbPlan[] = [];
  // Of a pool, too: its claim in the lock names servers.
  if (dims.has('renames') || (dims.has('slots') && draw.chance(0.2)))
    lbs.push({ name: 'lb1', polls: false, servers: [['app'], ['web']] });
  else if (dims.has('gains') && draw.chance(0.4))
    lbs.push({ name: 'lb1', polls: false, servers: [['app'], ['app', 'api']] });
  else if (dims.has('losses') && draw.chance(0.4))
    lbs.push({ name: 'lb1', polls: false, servers: [['app', 'api'], ['app']] });
  else {
    lbs.push({ name: 'lb1', polls: false, servers: draw.chance(0.2) ? both('app', 'api') : both('app') });
    if (dims.has('gains')) lbs.push({ name: 'lb2', polls: false, servers: [[], ['app']] });
    else if (dims.has('losses')) lbs.push({ name: 'lb2', polls: false, servers: [['app'], []] });
    else if (draw.chance(dims.has('ignore') ? 0.8 : 0.3))
      lbs.push({ name: 'lb2', polls: false, servers: both('app') });
  }
  if (dims.has('pollers')) lbs.push({ name: 'agent', polls: true, servers: both('agent') });
  return lbs;
}

/** The name of a node's server: a poller has one for each node, which is the balancer's own. */
export function serverName(lb: Pick<LbPlan, 'polls'>, backend: string, node: number): string {
  return lb.polls ? `${backend}${node + 1}` : `${backend}/app${node + 1}`;
}

function balancersOf(
  lbs: readonly LbPlan[],
  node: number,
  version: 0 | 1,
  hidden: boolean,
): Policy['balancers'] {
  return lbs
    .filter(({ servers }) => servers[version].length > 0)
    .map((lb) => ({
      name: lb.name,
      servers: lb.servers[version].map((backend) => serverName(lb, backend, node)),
      counts: !lb.polls,
      weighs: !lb.polls,
      seesOldWorkers: !lb.polls && !hidden,
    }));
}

function drawTerms(draw: Draw, dims: ReadonlySet<Dimension>): Omit<Policy, 'node' | 'balancers'> {
  const has = (...any: Dimension[]): boolean => any.some((one) => dims.has(one));
  const needsProbe = has('probe', 'expires', 'sign-out', 'other-hand');
  const supervises = has('container', 'signals', 'signal-disk');
  const users = draw.pick([], ['http'], ['http', 'http 2']);
  const sources = [
    ...(has('pollers') && users.length === 0 ? ['http'] : users),
    ...(has('kernel') ? ['tcp'] : []),
  ];
  const terms = {
    sources,
    userSources: ['http', 'http 2'],
    appSources: ['http', 'http 2', 'tcp'],
    kernelSource: has('kernel') ? 'tcp' : null,
    unreachable: has('ignore') ? ('ignore' as const) : ('wait' as const),
    foreignDrain: has('follow') ? ('follow' as const) : ('refuse' as const),
    reloadGraceMs: GRACE_MS,
    hasGate: has('gate') || draw.chance(0.1),
    reloadsKeepState: false,
    warnBeforeMs: draw.pick([], [500]),
    closePerSecond: 20,
    sticky: has('sign-out') ? false : draw.pick<Policy['sticky']>(true, false, 'auto'),
    quietMs: draw.pick(0, 100, 1_000),
    quietExplicit: draw.chance(0.5),
    keep: has('pool', 'neighbours') ? 1 : draw.pick(0, 1),
    timeoutMs: has('no-master', 'kernel', 'elapsed', 'neighbours') ? 28_000 : draw.pick(2_000, 6_000),
    returnMs: 8_000,
    rebootMs: 8_000,
    soakMs: has('soak') ? draw.pick(500, 3_000, 9_000) : 0,
    warmUpMs: has('ramp') ? draw.pick(700, 3_500, 6_000) : 0,
    onTimeout: has('on-timeout', 'joins')
      ? draw.pick<Policy['onTimeout']>('restore', 'hold', 'force')
      : ('restore' as const),
    expiresMs: has('expires') ? draw.pick(null, 3_000) : null,
    hasProbe: needsProbe || (has('early-stop', 'clock-steps', 'stale-pid', 'hold') && draw.chance(0.5)),
    canStop: true,
    canStart: supervises || draw.chance(0.7),
    // Under `run -- COMMAND` start and stop are the child's.
    stopIsIdempotent: supervises || !has('early-stop', 'failures') || (has('failures') && draw.chance(0.5)),
    onSignOut: has('sign-out') ? draw.pick<Policy['onSignOut']>('drain', 'stop') : ('ignore' as const),
    adopt: draw.chance(0.3),
    readyTakesOver: false,
    supervises,
    // Fields that other branches add to a policy.
    keepBackups: false,
    ignoreServers: [],
    pool: null,
  };
  // A command that tells nothing of its end is the one that may not be repeated here.
  return { ...terms, stopProves: terms.stopIsIdempotent };
}
