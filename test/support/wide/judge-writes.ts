import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import { PHASES } from '../../../agent/lifecycle/model/phase.ts';
import { isYielding } from '../../../agent/lifecycle/phases/capacity.ts';
import { createOwnershipTracker } from './ownership-tracker.ts';
import { recordOn } from './judge-disk.ts';
import { knownOf } from './known-users.ts';
import { peek, type Peek } from './peek.ts';
import { RISE } from './prober.ts';
import type { Requests } from './judge-requests.ts';
import type { LbServer, SimLb } from './balancer.ts';
import type { Issued, SimNode, Taken, World, Written } from './world.ts';

/** Every write that reaches a server: I2, I11, I15, I16. No phase is excused. */
export interface WriteJudge {
  watch(taken: Taken): void;
  written(write: Written): void;
  crashed(node: SimNode): void;
  booted(node: SimNode): void;
  /** We have written MAINT in this outing. */
  isFenced(node: SimNode): boolean;
  /** What stood there before our first write of the last outing. */
  foundAt(node: SimNode, lb: string, server: string): string | null;
}

/** The neighbours must have been in their state for so long before it must be known. */
const NEWS_MS = 5_000;
const QUIET_SLACK_MS = 100;
const LOOKED_MS = 600;
/** A silence of this length is not between two looks. */
const SILENT_MS = 300;
/** What was asked before a change of another balancer has been answered. */
const CALM_MS = 2_500;
const ROTATION: readonly string[] = ['serving', 'unhealthy'];

export function createWriteJudge(world: World, requests: Requests): WriteJudge {
  const { time, verdicts } = world;
  /** Nodes whose disk failed in their last life. */
  const unsure = new Set<number>();
  /** Servers that MAINT was sent to in this outing, by node, balancer and name. */
  const sent = new Set<string>();
  const ownership = createOwnershipTracker(world, requests);
  /** When a life began that knows nothing of the fence of the one before: its disk had failed. */
  const forgotten = new Map<number, number>();
  /** Nodes that an operation has taken out, and that are not on their way back. */
  const takenOut = new Set<number>();
  /** Since when each node has had a fence in this outing. */
  const fenced = new Map<number, number>();
  const fence = ({ index }: SimNode): void => void (fenced.has(index) || fenced.set(index, time.now));

  function written(write: Written): void {
    const { node, lb, admin, there, issued } = write;
    const p = peek(issued.state);
    ownership.written(write, p);
    if (admin === 'maint' && there !== 'maint') {
      if (!lb.polls) overUsers(write, p);
      twoFenced(write, p);
      // A balancer that was silent may carry out late what a life before had sent.
      if (issued.state.now >= (forgotten.get(node.index) ?? -Infinity)) fence(node);
    }
    if (admin === 'ready' && there !== 'ready') ready(write, p);
    if (admin === 'ready' && !isTurn(write, p)) verdicts.broken('READY out of turn', [p.phase, lb.name]);
  }

  /** I9: only on the way back; a balancer that was left out of it hears it once it answers again. */
  function isTurn({ node, issued }: Written, { phase }: Peek): boolean {
    // What was found stands again while too few others are usable.
    if (node.policy.keep > 0 && isYielding(issued.state)) return true;
    return phase === 'returning' || (node.policy.unreachable === 'ignore' && ROTATION.includes(phase));
  }

  function overUsers({ node, lb, server, there, issued }: Written, p: Peek): void {
    if (!node.app.isAlive || p.isForced || p.hold === 'maint') return;
    // It is out already, and its users with it.
    if (server.over?.admin === 'maint') return;
    if (ownership.foundAt(node, lb.name, server.name) === 'maint') return;
    const detail = [p.phase, lb.name, server.name];
    const { users, seen } = knownOf(world, node, issued.known);
    const here = users.filter((user) => user.server === server).length;
    const open = seen.filter((one) => one.server === server && one.worker === lb.generation).length;
    if (here + open > 0)
      verdicts.broken('user thrown out', [...detail, `over ${there}`, `${here} users, ${open} connections`]);
    if (there === 'drain') beforeZero(node, lb, server, issued);
    if (there !== 'ready' || !issued.known.appLives) return;
    const isStopped = p.phase === 'stopping' || node.state.phase === 'stopping';
    verdicts.broken(isStopped ? 'MAINT over READY while it is stopped' : 'MAINT over READY', detail);
  }

  /** Zero is known, and has held for `quiet`, before the fence is raised. */
  function beforeZero(node: SimNode, lb: SimLb, server: LbServer, { known, state }: Issued): void {
    const { policy } = node;
    if (state.phase !== 'fencing' || peek(state).appGone) return;
    const raisedAt = state.since;
    const lost = policy.balancers.find(({ name, counts }) => {
      const lostAt = known.looks.get(name)?.lostAt ?? null;
      return counts && policy.unreachable === 'wait' && lostAt !== null && lostAt < raisedAt;
    });
    if (lost) verdicts.broken('fenced while unknown', [lost.name, 'cannot be asked']);
    const { lastAt } = server;
    // What came a moment before is in no look yet; the second look finds it.
    const isSeen = raisedAt - lastAt > LOOKED_MS;
    if (policy.sources.length === 0 && isSeen && raisedAt - lastAt < policy.quietMs - QUIET_SLACK_MS)
      verdicts.broken('fenced without quiet', `${Math.round(raisedAt - lastAt)} ms after a user came`);
  }

  /** A balancer that has fallen silent is unknown, and not what its last look showed. */
  function countedToTheEnd({ node, before, after }: Taken): void {
    if (before.phase !== 'settling' || after.phase !== 'fencing' || peek(after).isForced) return;
    const counting = node.policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
    const silent = counting.filter((name) => {
      const { mode, modeSince } = world.lb(name).line;
      const { lostAt, at = -Infinity } = node.known.looks.get(name) ?? {};
      // One that was slow before may have answered only now what it was asked then.
      const since = Math.max(modeSince, at);
      return mode === 'silent' && time.now - since > SILENT_MS && lostAt === null;
    });
    // Where another one is slow, the answers of all may be as old as its is late.
    const isCalm = world.lbs.every(
      ({ name, line: { mode, modeSince } }) =>
        silent.includes(name) || (mode === 'answers' && time.now - modeSince > CALM_MS),
    );
    if (isCalm && silent.length > 0)
      verdicts.broken('fenced without quiet', [...silent, 'has fallen silent']);
  }

  /** Of two that are asked at once, both may stand in DRAIN for a moment, and never both in MAINT. */
  function twoFenced({ node, lb, server, there }: Written, p: Peek): void {
    const { keep } = node.policy;
    if (there !== 'drain' || lb.polls || keep === 0 || !node.app.isAlive || isExempt(node, p)) return;
    // A balancer that was silent carries out late what an operation that is given up had sent.
    if (peek(node.state).isGivingBack) return;
    // It counts as out, whatever becomes of the others: its fence is put back after a reload, and for a server that it gained.
    if (takenOut.has(node.index) && node.state.op === null) return;
    // What lies over it (DNS, a tracked server) keeps it out of service: to fence it costs no capacity.
    if (time.now - lb.othersSince < NEWS_MS || server.over !== null) return;
    const left = lb.usableOthers(server.name);
    const sibling = lb.servers.find(
      (other) =>
        other.node !== node.index &&
        other.admin === 'maint' &&
        other.by === 'us' &&
        other.backend === server.backend,
    );
    if (!sibling || left === null || left >= keep) return;
    const other = world.nodes[sibling.node];
    if (!other || !other.app.isAlive || isExempt(other, peek(other.state))) return;
    verdicts.broken('two fenced', [p.phase, lb.name, server.name, sibling.name, `${left} left`]);
  }

  function isExempt(node: SimNode, p: Peek): boolean {
    return p.hold !== null || requests.isForcedBy(node) || requests.isOverGuard(node) || p.isForced;
  }

  /** I15: over our fence only after good probes that were begun after the way back began. */
  function ready({ node, lb, server, issued: { goodProbes, state } }: Written, p: Peek): void {
    const { hasProbe } = node.policy;
    // A write that a silent balancer carries out late was said over no fence that came later.
    if (!hasProbe || state.now < (fenced.get(node.index) ?? Infinity) || p.phase !== 'returning') return;
    const { warmingSince } = node;
    const detail = [p.phase, lb.name, server.name, `healthy: ${node.app.healthy}`];
    if (goodProbes >= RISE) return;
    verdicts.broken(warmingSince === null ? 'given back without a probe' : 'READY without a probe', detail);
  }

  return {
    watch(taken) {
      ownership.watch(taken);
      countedToTheEnd(taken);
      const { node, before, after, effects } = taken;
      // One that was sent may have been carried out, whatever its answer.
      for (const effect of effects) {
        if (effect.type !== 'set-server' || effect.admin !== 'maint') continue;
        sent.add(`${node.index} ${effect.balancer} ${effect.server}`);
        fence(node);
      }
      if (effects.some(isTakenOut)) takenOut.add(node.index);
      if (PHASES[after.phase].place === 'back' || ROTATION.includes(after.phase)) takenOut.delete(node.index);
      // A crash may hide that it leaves rotation, and not that it had come back.
      if (ROTATION.includes(before.phase) === ROTATION.includes(after.phase)) return;
      // A balancer that was left out keeps what was sent there.
      const serving = peek(ROTATION.includes(after.phase) ? after : before);
      const isLeft = node.policy.balancers.some(({ name, servers }) =>
        servers.some((server) => {
          const key = `${node.index} ${name} ${server}`;
          if (serving.wants(name, server) === null) sent.delete(key);
          return sent.has(key);
        }),
      );
      if (!isLeft) fenced.delete(node.index);
    },
    written,
    crashed(node) {
      ownership.crashed(node);
      // After an alarm that the disk fails, the next life has only the fence that the disk holds.
      if (peek(node.state).hasDiskAlarm) unsure.add(node.index);
    },
    booted(node) {
      ownership.booted(node);
      // A write that was under way when it was killed may have come to its end or not: the disk has the intent.
      const wasUnsure = unsure.delete(node.index);
      if (isFenceOnDisk(node)) fence(node);
      else if (wasUnsure) {
        fenced.delete(node.index);
        forgotten.set(node.index, time.now);
      }
    },
    isFenced: ({ index }) => fenced.has(index),
    foundAt: (node, lb, server) => ownership.foundAt(node, lb, server),
  };
}

/** The end of an operation that leaves the node out. */
function isTakenOut(effect: Effect): boolean {
  if (effect.type !== 'finish') return false;
  const { code, operation } = effect.result;
  return code === 'done' && (operation === 'drain' || operation === 'stop');
}

function isFenceOnDisk(node: SimNode): boolean {
  const places = Object.values(recordOn(node)?.balancers ?? {});
  return places.some(({ servers }) => Object.values(servers).some(({ said }) => said.includes('maint')));
}
