import type { Request } from '../../../agent/lifecycle/model/api.ts';
import { SimLock } from '../world/lock.ts';
import { createTimeline, type Timeline } from '../world/timeline.ts';
import { act, lastStop } from './acts.ts';
import { createApp, type SimApp } from './app.ts';
import { NEW_WEIGHT } from './balancer.ts';
import { createLb } from './create-lb.ts';
import { drawDeeds } from './deed-weights.ts';
import type { Deed } from './deeds.ts';
import type { Dimension } from './dimensions.ts';
import { type Coverage, createCoverage } from './coverage.ts';
import { createDraw } from './draw.ts';
import { OWN } from './judge-requests.ts';
import { DUE_MS } from './judge-rest.ts';
import { neighbour } from './neighbour.ts';
import { createNode } from './node.ts';
import { createOracle } from './oracle.ts';
import { peek } from './peek.ts';
import { createPeople } from './people.ts';
import { drawLayout, type Layout, serverName } from './policies.ts';
import { createVerdicts, type Violation } from './violation.ts';
import type { Oracle, SimNode, Stage, World } from './world.ts';

/** All of it comes from a seed and the names of its dimensions. */
export interface Campaign {
  readonly seed: number;
  readonly dims: readonly Dimension[];
  readonly layout: Layout;
  readonly deeds: readonly Deed[];
  /** Whether the world answers once the deeds are done; operations end either way (I14). */
  readonly answersAtLast: boolean;
  /** How long it goes on before the first boot: HAProxy and users were there before us. */
  readonly before: readonly Deed[];
}

/** Long enough for every deadline, patience, grace and retry that the campaign's policies have. */
const REST_MS = 75_000;
/** Longer than the oracle lets a lost word stand, and than any old connection or slow start lasts. */
const SETTLED_MS = DUE_MS + 5_000;

export function drawCampaign(seed: number, dims: readonly Dimension[]): Campaign {
  const draw = createDraw(seed);
  const set = new Set(dims);
  const layout = drawLayout(draw, set);
  const deeds = drawDeeds(draw, set);
  const isOlder = (set.has('no-master') || set.has('kernel')) && draw.chance(0.5);
  const before: Deed[] = isOlder
    ? [
        { do: 'visit', after: 0, which: 0 },
        { do: 'linger', lastsMs: 8_000 + draw.below(5_000), after: 100, which: 0 },
        { do: 'leave', after: 0, which: 0 },
        { do: 'reload', keepsState: true, after: 100, which: 0 },
      ]
    : [];
  return { seed, dims, layout, deeds, before, answersAtLast: draw.chance(0.75) };
}

/** What came of a campaign: each promise that was broken, and what was met on the way. */
export interface Outcome {
  readonly violations: readonly Violation[];
  readonly coverage: Coverage;
}

/**
 * Plays it through.
 * @param how `isStrict`: judges also that `step` is a pure function, at three times the cost
 */
export function play(campaign: Campaign, { isStrict = false } = {}): Outcome {
  const { seed, layout, deeds, before, answersAtLast } = campaign;
  const stage = createStage(seed, layout, isStrict);
  const { time, verdicts, nodes, coverage } = stage;
  try {
    for (const deed of before) {
      time.advance(deed.after);
      act(stage, deed, 0);
    }
    for (const node of nodes) node.boot((layout.policies[node.index] ?? NONE)[0]);
    time.advance(200);
    deeds.forEach((deed, index) => {
      time.advance(deed.after);
      act(stage, deed, index);
    });
    calm(stage, answersAtLast);
    rest(stage);
    stage.oracle.rested(answersAtLast);
    if (stage.lock.down !== null) {
      stage.lock.down = null;
      calm(stage, answersAtLast);
      rest(stage);
      stage.oracle.rested(answersAtLast);
    }
    if (answersAtLast) for (const node of nodes) takeOut(stage, node);
  } catch (error) {
    verdicts.broken('broke', error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return { violations: verdicts.violations, coverage };
}

const NONE = [] as unknown as Layout['policies'][number];

function createStage(seed: number, layout: Layout, isStrict: boolean): Stage & { readonly oracle: Oracle } {
  const time = createTimeline(seed);
  const verdicts = createVerdicts(() => time.now);
  const lbs = layout.lbs.map(({ name, polls }) =>
    createLb(
      time,
      name,
      { polls, hasMaster: layout.hasMaster },
      { start: 'answers', tellsElapsed: layout.tellsElapsed },
    ),
  );
  const apps: SimApp[] = [];
  const coverage = createCoverage();
  const people = createPeople(time, lbs, apps, coverage);
  const nodes: SimNode[] = [];
  const world: World = {
    time,
    lbs,
    people,
    nodes,
    verdicts,
    coverage,
    isStrict,
    failing: new Set(),
    lock: new SimLock(),
    freedAt: new Map(),
    lb(name) {
      const found = lbs.find((lb) => lb.name === name);
      if (!found) throw new Error(`the world has no balancer ${name}`);
      return found;
    },
  };
  const oracle = createOracle(world);
  for (let node = 0; node < layout.nodes; node += 1) {
    const app = createApp(time, (what) => {
      if (what === 'ended') people.lose(node);
      if (what === 'ended') endWithChild(time, nodes[node]);
      check(world, node, app);
    });
    apps.push(app);
    nodes.push(createNode(world, node, app, () => oracle));
  }
  layout.lbs.forEach((plan, index) => {
    for (let node = 0; node < layout.nodes; node += 1)
      for (const backend of new Set(plan.servers.flat()))
        lbs[index]?.servers.push({
          name: serverName(plan, backend, node),
          backend: plan.polls ? serverName(plan, backend, node) : backend,
          node,
          admin: 'ready',
          origin: 'none',
          over: null,
          absent: false,
          by: 'none',
          said: new Set(),
          since: time.now - 3_600_000,
          touchedAt: -Infinity,
          up: true,
          total: 0,
          lastAt: -Infinity,
          errors: 0,
          listed: plan.servers[0].includes(backend),
          ...NEW_WEIGHT,
        });
  });
  return { ...world, oracle, layout, version: layout.policies.map(() => 0 as const) };
}

/**
 * Under `run -- COMMAND` the sidecar ends with a child that it has not stopped itself (the one before it may have), and its
 * container is started again.
 */
function endWithChild(time: Timeline, node: SimNode | undefined): void {
  if (!node?.running || !node.policy.supervises || node.state.phase === 'stopping') return;
  const { policy } = node;
  node.crash();
  const { life } = node;
  // Whatever ends it once more meanwhile starts it again, too.
  time.after(100, () => {
    if (node.life === life) node.boot(policy);
  });
}

/** HAProxy's own check sees it some time later. */
function check({ lbs, time }: World, node: number, app: SimApp): void {
  for (const lb of lbs)
    for (const server of lb.servers)
      if (server.node === node)
        time.after(time.between(50, 1_000), () => {
          server.up = app.main !== null && app.healthy;
        });
}

/** Until nothing has happened, and nothing will fall due, for longer than anything in the world takes. */
function rest({ time, nodes }: Stage): void {
  const latest = time.now + REST_MS;
  const earliest = time.now + SETTLED_MS;
  const isBusy = (): boolean => nodes.some(({ busyAt }) => time.now - busyAt < SETTLED_MS);
  while (time.now < latest && (time.now < earliest || isBusy())) time.advance(1_000);
}

function calm({ nodes, lbs, time, lock }: Stage, answers: boolean): void {
  lock.isSlow = false;
  neighbour({ lock, time }, 'give');
  for (const { disk } of nodes) disk.failing = false;
  for (const lb of lbs) {
    lb.line.setMode(answers ? 'answers' : 'refuses');
    Object.assign(lb, {
      others: 2,
      othersSince: time.now,
      telling: true,
      denies: false,
      slips: false,
      masterAnswers: true,
    });
  }
}

/** However the node came to be where it is: where everything answers, it can be taken out again. */
function takeOut(
  { time, people, failing, oracle, verdicts, lbs, lock }: Stage & { oracle: Oracle },
  node: SimNode,
): void {
  failing.clear();
  people.clear();
  for (const lb of lbs) lb.connections.clear();
  const { app } = node;
  Object.assign(app, { stop: 'works', start: 'works', clockStepped: false });
  app.spawn('works');
  app.heal();
  Object.assign(app, { signedOutAt: null, pidFile: app.main?.pid });
  time.advance(5_000);
  // Operators let go: what they hold in DRAIN is open, and force does not change that. The application is seen by then.
  for (const lb of lbs)
    for (const { name, by } of lb.servers) if (by === 'operator') lb.set(name, 'ready', 'operator');
  time.advance(5_000);
  // lastcall's own requests (a drain that expires in this moment) end first: it answers `busy`, with the remaining
  // time.
  const ownEnd = (): number => {
    const { op } = peek(node.state);
    return op !== null && OWN.includes(op.by) ? op.deadline : -Infinity;
  };
  while (time.now < ownEnd()) time.advance(1_000);
  const request: Request = { ...lastStop, id: `last${node.index}` };
  const { holders, waiters } = lock.view(time.now);
  // A node that is out and whose slot another hand has freed is in the queue for one.
  const isTaken = [...holders, ...waiters].some(({ claim }) => claim.node !== node.policy.node);
  node.submit(request);
  const latest = time.now + REST_MS;
  while (time.now < latest && !oracle.result(node, request.id)) time.advance(1_000);
  time.advance(Math.min(latest - time.now, SETTLED_MS));
  oracle.rested(true);
  const result = oracle.result(node, request.id);
  // `uncounted` under force is judged by its own rule. No force answers a lock whose slot another node has.
  const expected = ['done', 'uncounted', ...(isTaken ? ['locked', 'braked'] : [])];
  if (result && !expected.includes(result.code))
    verdicts.broken('cannot be taken out', `${result.code}: ${result.message ?? ''}`);
}
