import type { Result } from '../../../agent/lifecycle/model/api.ts';
import { isFollowed } from './followed.ts';
import { forcedOf, viewOf } from './knowledge.ts';
import { knownOf } from './known-users.ts';
import type { Requests } from './judge-requests.ts';
import type { LbServer, SimLb } from './balancer.ts';
import { peek } from './peek.ts';
import { RISE } from './prober.ts';
import type { SimNode, Taken, World } from './world.ts';

/** The stop, and the belief that the application is gone: I1, I6, I7, I11, I12, `unreachable`, `gone`. */
export interface StopJudge {
  watch(taken: Taken): void;
}

/** `unreachable: ignore` has this much patience. */
const PATIENCE_MS = 10_000;
/** Polls take time: so much is no violation. */
const SLACK_MS = 2_500;
/** An application that was started so long ago must not be believed gone. */
const REVIVED_MS = 3_000;
const SHORT_MS = 5_000;
/** A look may miss what came so short a time before it; so much is not counted against quiet. */
const LOOKED_MS = 600;
/** So many probes as are believed, at their usual pace (prober.ts), and some more. */
const PROBED_MS = (RISE + 1) * 2_000;
const QUIET_SLACK_MS = 100;
const ROTATION = ['serving', 'unhealthy'];
/** The lower of two waits two seconds for the other; the rest is for looks, the disk and the word itself. */
const KEPT_MS = 6_000;

export function createStopJudge(world: World, requests: Requests): StopJudge {
  const { time, verdicts } = world;
  const stops = new Map<string, number>();
  /** When the application of each node was stopped last. */
  const stoppedAt = new Map<number, number>();
  const shortSince = new Map<string, number>();
  /** When the outing of each node began. */
  const outSince = new Map<number, number>();
  const keptSince = new Map<string, number>();
  /** Servers that an operation which has ended left in MAINT: they are out, whatever becomes of the others. */
  const leftOut = new Set<string>();
  /** Was the server up when MAINT last hid that? */
  const wasUp = new Map<string, boolean>();

  function watch(taken: Taken): void {
    const { node, after, effects } = taken;
    noteShortage(node);
    if (ROTATION.includes(after.phase)) outSince.delete(node.index);
    else if (!outSince.has(node.index)) outSince.set(node.index, time.now);
    for (const effect of effects) {
      if (effect.type === 'stop') stopped(taken);
      if (effect.type === 'finish' && !effect.result.plan) finished(node, effect.result, effect.refused);
    }
  }

  function stopped({ node, after }: Taken): void {
    const p = peek(after);
    const id = p.op?.id ?? 'none';
    stoppedAt.set(node.index, time.now);
    stops.set(id, (stops.get(id) ?? 0) + 1);
    if ((stops.get(id) ?? 0) > 1 && !node.policy.stopIsIdempotent) verdicts.broken('stopped twice', id);
    if (p.isForced || !node.app.isAlive) return;
    users(node);
    fence(node);
    gate(node);
    patience(node);
    guard(node);
  }

  function users(node: SimNode): void {
    const { users: people, seen, hidden } = knownOf(world, node, node.known);
    if (people.length + seen.length > 0)
      verdicts.broken('stopped with users', `${people.length} users, ${seen.length} connections`);
    if (hidden.length > 0) verdicts.broken('stopped with hidden users', `${hidden.length} on old workers`);
  }

  function fence(node: SimNode): void {
    for (const { name, servers, counts } of node.policy.balancers) {
      const looked = node.known.looks.get(name);
      if (!counts || !looked || looked.lostAt !== null) continue;
      for (const server of servers) {
        const view = viewOf(node.known, name, server);
        const there = world.lb(name).server(server);
        const { since } = there;
        if (view && isFollowed(node, there, view, looked.startedAt)) {
          followed(node, world.lb(name), there);
          continue;
        }
        if (view?.absent !== undefined || since >= looked.startedAt) continue;
        if (!view || forcedOf(view) !== 'maint')
          verdicts.broken('stopped outside the fence', [name, server, view?.admin]);
      }
    }
  }

  /** Unfenced, quiet alone has to do, where only requests tell of users. */
  function followed({ policy }: SimNode, lb: SimLb, { name, lastAt }: LbServer): void {
    const ago = time.now - lastAt;
    const isSeen = lb.line.mode === 'answers' && ago > LOOKED_MS;
    if (policy.sources.length === 0 && isSeen && ago < policy.quietMs - QUIET_SLACK_MS)
      verdicts.broken('followed without quiet', [lb.name, name, Math.round(ago)]);
  }

  /** The application refuses new sessions before the last look. One that another hand has started afresh is excused. */
  function gate({ policy, app, index }: SimNode): void {
    const isAsBefore = app.bornAt < (outSince.get(index) ?? Infinity);
    if (policy.hasGate && app.main && !app.gated && isAsBefore)
      verdicts.broken('stopped with an open gate', policy.node);
  }

  function patience(node: SimNode): void {
    for (const { name, counts } of node.policy.balancers) {
      const looked = node.known.looks.get(name);
      if (!counts || !looked || looked.lostAt === null) continue;
      const ms = time.now - looked.at;
      if (ms < PATIENCE_MS - SLACK_MS)
        verdicts.broken('ignored without patience', `${name}, ${Math.round(ms)} ms`);
    }
  }

  function guard(node: SimNode): void {
    if (requests.isForcedBy(node) || requests.isOverGuard(node)) return;
    for (const key of shortSince.keys()) {
      const since = shortSince.get(key) ?? time.now;
      if (key.startsWith(`${node.index} `) && time.now - since >= SHORT_MS)
        verdicts.broken('last usable server', `${key}, for ${Math.round(time.now - since)} ms`);
    }
  }

  /** Since when there have been too few others, at balancers that could be asked all the time. */
  function noteShortage(node: SimNode): void {
    const { policy, index } = node;
    if (policy.keep === 0) return;
    const listed = policy.balancers.flatMap(({ name, servers }) =>
      servers.map((server) => `${index} ${name} ${server}`),
    );
    // The configuration has another name for it since: how long the old one was short tells nothing.
    for (const since of [shortSince, keptSince])
      for (const key of since.keys())
        if (key.startsWith(`${index} `) && !listed.includes(key)) since.delete(key);
    for (const { name, servers, counts } of policy.balancers) {
      const lb = world.lb(name);
      for (const server of servers) {
        const key = `${index} ${name} ${server}`;
        const others = lb.usableOthers(server);
        // Where it is down, a reload has removed its line, or something else keeps it out, no users are sent to it: its end costs nothing.
        const { absent, by, admin, over, up } = lb.server(server);
        if (admin !== 'maint') wasUp.set(key, up);
        if (admin !== 'maint') leftOut.delete(key);
        else if (by === 'us' && peek(node.state).op === null) leftOut.add(key);
        const isServing = wasUp.get(key) ?? true;
        const isIn =
          isServing &&
          !leftOut.has(key) &&
          !absent &&
          over === null &&
          (by !== 'operator' || admin === 'ready');
        const isAsked = counts && lb.line.mode === 'answers' && isIn;
        const isShort = isAsked && others !== null && others < policy.keep;
        if (!isShort) shortSince.delete(key);
        else if (!shortSince.has(key)) shortSince.set(key, time.now);
        if (isShort && isKept(node, lb, server)) keptOut(key);
        else keptSince.delete(key);
      }
    }
  }

  /** It waits in a DRAIN of ours, and nothing stands in the way of putting back what was found. */
  function isKept(node: SimNode, lb: SimLb, name: string): boolean {
    const { phase, op, hold, isForced } = peek(node.state);
    const { admin, by, up, over } = lb.server(name);
    const isWaiting = (phase === 'draining' || phase === 'settling') && op !== null && !op.isGivenUp;
    const isOver = requests.isOverGuard(node) || requests.isForcedBy(node);
    const isExempt = hold !== null || isForced || isOver || !node.app.isAlive;
    // What lies over it (DNS, a tracked server) keeps it out whatever is put back.
    const isFree = node.running && !node.disk.failing && !lb.denies && up && over === null;
    return isWaiting && !isExempt && isFree && admin === 'drain' && by === 'us';
  }

  function keptOut(key: string): void {
    const since = keptSince.get(key) ?? time.now;
    keptSince.set(key, since);
    if (time.now - since >= KEPT_MS) verdicts.broken('kept out while short', key);
  }

  function finished({ app, policy, index }: SimNode, result: Result, refused: boolean): void {
    // Without a probe and without a process to look at, a start by an operator cannot be seen.
    const canTell = policy.hasProbe || policy.stopIsIdempotent;
    if (
      canTell &&
      result.ok &&
      result.operation === 'stop' &&
      app.isAlive &&
      time.now - app.bornAt > REVIVED_MS
    ) {
      // Of another one that is not well, or was not probed often enough yet, no probe tells either.
      const isSeen = app.main !== null && app.healthy && time.now - app.wellSince > PROBED_MS;
      // One that another hand has started since, and whose listener is closed: nothing answers for it.
      const isHidden = app.main === null && app.bornAt > (stoppedAt.get(index) ?? Infinity);
      const isWarned = !isSeen && result.warnings.some((text) => text.includes('proves'));
      if (!isWarned && !isHidden)
        verdicts.broken('gone and alive', [result.id, policy.hasProbe ? 'probe' : 'no probe']);
    }
    // A file that names another process than the one that runs is refused whatever the calendar shows.
    const isNamed = app.main !== null && app.pidFile === app.main.pid;
    if (refused && result.code === 'app-stop' && isNamed && app.clockStepped)
      verdicts.broken('stop refused by a clock', result.message ?? '');
  }

  return { watch };
}
