import { PHASES } from '../../../agent/lifecycle/model/phase.ts';
import { shown, type SimLb } from './balancer.ts';
import { isListed } from './known-users.ts';
import { peek } from './peek.ts';
import { createSoakJudge } from './judge-soaks.ts';
import type { WriteJudge } from './judge-writes.ts';
import type { SimNode, Taken, World, Written } from './world.ts';

/** The slots of the pool (I5): no step outward without one, none kept in service, none lost by a node that is out. */
export interface SlotJudge {
  watch(taken: Taken): void;
  written(write: Written): void;
  crashed(node: SimNode): void;
  rested(answers: boolean): void;
}

const ROTATION = ['serving', 'unhealthy'];
/** What a look at the lock has shown may be so old when the step that rests on it is taken. */
const LOOKED_MS = 1_500;
/** A node that is known to have no slot may be one too many in DRAIN for so long. */
const TOO_MANY_MS = 1_500;

export function createSlotJudge(world: World, writes: WriteJudge): SlotJudge {
  const { time, verdicts, lock, freedAt } = world;
  const soaks = createSoakJudge(world);
  /** Of this outing, by node: when it left rotation, when it came into DRAIN and MAINT, when its last operation began. */
  const outAt = new Map<number, number>();
  const drainAt = new Map<number, number>();
  const fencedAt = new Map<number, number>();
  const begunAt = new Map<number, number>();
  /** Nodes that went over the lock in this outing, or lost what they knew of it. */
  const excused = new Set<number>();
  /** Since when the lock has shown no slot of a node that goes outward with an operation. */
  const withoutSince = new Map<number, number>();
  /** On the way back while the lock did not answer. */
  let onTheWay: readonly SimNode[] = [];

  const holds = ({ policy }: SimNode): boolean =>
    lock.view(time.now).holders.some(({ claim }) => claim.node === policy.node);
  const mayStep = (node: SimNode): boolean =>
    holds(node) || time.now - (freedAt.get(node.index) ?? -Infinity) < LOOKED_MS;
  const isWithoutSlot = (node: SimNode): boolean => {
    const { isOverSlot, hold, op } = peek(node.state);
    return excused.has(node.index) || isOverSlot || (hold !== null && op === null);
  };
  const isExcused = (node: SimNode): boolean => {
    const isFreed = (freedAt.get(node.index) ?? -Infinity) >= (outAt.get(node.index) ?? Infinity);
    return isWithoutSlot(node) || isFreed;
  };

  function noteOuting({ node: { index }, before, after }: Taken): void {
    if (peek(after).isOverSlot) excused.add(index);
    if (ROTATION.includes(before.phase) && !ROTATION.includes(after.phase)) outAt.set(index, time.now);
    if (before.op === null && after.op !== null) begunAt.set(index, time.now);
    if (!ROTATION.includes(after.phase)) return;
    for (const all of [outAt, drainAt, fencedAt]) all.delete(index);
    if (!peek(after).isOverSlot) excused.delete(index);
  }

  function outward({ node, before, after, effects }: Taken): void {
    const { op, isOverSlot, hold, isGivingBack } = peek(after);
    if (op === null || isOverSlot || isGivingBack) return;
    const stops = effects.some(({ type }) => type === 'stop');
    const { heldAt } = node.known;
    const fence = peek(after).isForced ? undefined : fencedAt.get(node.index);
    const latest = Math.max(fence ?? -Infinity, begunAt.get(node.index) ?? -Infinity);
    if (stops && (heldAt ?? -Infinity) < latest) verdicts.broken('stopped without a look', [op.kind, op.id]);
    if (hold !== null || mayStep(node)) return;
    const begins = ROTATION.includes(before.phase) && after.phase === 'draining';
    const fences = before.phase !== 'fencing' && after.phase === 'fencing' && before.phase === 'settling';
    if (begins || fences || stops) verdicts.broken('out without a slot', [after.phase, op.kind, op.id]);
  }

  /** An operation whose node has lost its slot is given up; it does not wait for another one in DRAIN. */
  function stays({ node, event, after }: Taken): void {
    const { op, isGivingBack, isForced, hasDiskAlarm } = peek(after);
    const isOutward = PHASES[after.phase].place === 'outward' && op !== null && !op.isGivenUp;
    const isAllowed = isWithoutSlot(node) || isGivingBack || isForced || hasDiskAlarm;
    if (!isOutward || isAllowed || node.known.heldAt !== null) return void withoutSince.delete(node.index);
    if (event.type === 'lock-answered' && !withoutSince.has(node.index))
      withoutSince.set(node.index, time.now);
    const since = withoutSince.get(node.index) ?? time.now;
    if (time.now - since > TOO_MANY_MS) verdicts.broken('kept in DRAIN without a slot', [after.phase, op.id]);
  }

  /** Where its slot does not name a server that is taken out, another node would free the slot of a dead sidecar. */
  function unnamed({ node, after, effects }: Taken): void {
    if (isExcused(node) || peek(after).isForced || peek(after).isGivingBack) return;
    const held = lock.view(time.now).holders.find(({ claim }) => claim.node === node.policy.node);
    if (held === undefined) return;
    for (const effect of effects) {
      if (effect.type !== 'set-server' || effect.admin === 'ready' || world.lb(effect.balancer).polls)
        continue;
      if (held.claim.servers[effect.balancer]?.includes(effect.server) !== true)
        verdicts.broken('out by no name', [effect.balancer, effect.server, effect.admin]);
    }
  }

  /** The balancers that it has looked at show it as it was found, or in READY. */
  function given(node: SimNode): void {
    for (const lb of world.lbs)
      for (const server of lb.servers) {
        if (server.node !== node.index || server.by !== 'us' || !isListed(node.policy, lb, server.name))
          continue;
        const { startedAt = -Infinity } = node.known.looks.get(lb.name) ?? {};
        const isFound = server.admin === writes.foundAt(node, lb.name, server.name);
        const isSeen = startedAt > server.since && node.policy.unreachable !== 'ignore';
        if (isSeen && server.admin !== 'ready' && !isFound)
          verdicts.broken('given before it is back', [node.state.phase, lb.name, server.name, server.admin]);
      }
  }

  function fenced(node: SimNode, { phase, op, hold }: ReturnType<typeof peek>, heldAt: number | null): void {
    if (phase !== 'fencing' || op === null || hold !== null || isExcused(node)) return;
    // A balancer that was silent carries out late what an operation that is given up had sent.
    if (peek(node.state).isGivingBack) return;
    if (heldAt === null || heldAt < (drainAt.get(node.index) ?? -Infinity))
      verdicts.broken('fenced without a look', [op.kind, op.id]);
    const other = world.nodes.find(
      (one) =>
        one !== node &&
        !isExcused(one) &&
        outAt.has(one.index) &&
        world.lbs.some(({ servers }) =>
          servers.some((it) => it.node === one.index && it.by === 'us' && it.admin === 'maint'),
        ),
    );
    if (other) verdicts.broken('two out on one slot', [node.policy.node, other.policy.node]);
  }

  function kept(node: SimNode): void {
    const { phase, op, waiting, soaks: isSoaking } = peek(node.state);
    if (!ROTATION.includes(phase) || op !== null || waiting.length > 0 || !holds(node)) return;
    if (excused.has(node.index) || (isSoaking && !isWell(node)) || waitsForHealth(node)) return;
    verdicts.broken('slot kept', [phase, node.policy.node]);
  }

  /**
   * A balancer that was left out of the return shows our fence still, or only polls, so that what it shows is no proof: READY
   * there waits for a healthy application (I15).
   */
  function waitsForHealth({ app, index, policy }: SimNode): boolean {
    const isOurs = (lb: SimLb): boolean =>
      lb.servers.some(
        ({ node, by, admin, name }) =>
          node === index && by === 'us' && (admin !== 'ready' || lb.polls) && isListed(policy, lb, name),
      );
    return !app.healthy && world.lbs.some(isOurs);
  }

  /** Nothing that a soak asks for is missing. */
  function isWell({ app, index, state }: SimNode): boolean {
    if (peek(state).soakFailure !== null || app.main === null || !app.healthy) return false;
    return world.lbs.every(({ servers, line, polls }) =>
      servers.every(
        (server) =>
          server.node !== index ||
          (!polls &&
            line.mode === 'answers' &&
            server.up &&
            !server.absent &&
            shown(server).admin === 'ready'),
      ),
    );
  }

  return {
    watch(taken) {
      const { node, effects } = taken;
      if (node.policy.pool === null) return;
      noteOuting(taken);
      soaks.watch(taken);
      outward(taken);
      stays(taken);
      unnamed(taken);
      const gives = effects.some((effect) => effect.type === 'ask-lock' && effect.ask.does === 'give');
      if (!gives || !holds(node)) return;
      given(node);
      soaks.given(node);
    },
    written({ node, admin, there, issued }) {
      if (node.policy.pool === null) return;
      // A balancer that is left out carries it out once it answers again; no look waits for that.
      const saidAt = node.policy.unreachable === 'ignore' ? issued.state.now : time.now;
      if (admin === 'drain' && !drainAt.has(node.index)) drainAt.set(node.index, saidAt);
      if (admin === 'maint' && !fencedAt.has(node.index)) fencedAt.set(node.index, time.now);
      if (admin === 'maint' && there === 'drain') fenced(node, peek(issued.state), issued.known.heldAt);
    },
    crashed(node) {
      withoutSince.delete(node.index);
      if (peek(node.state).hasDiskAlarm) excused.add(node.index);
    },
    rested(answers) {
      const running = world.nodes.filter(({ policy, running: lives }) => policy.pool !== null && lives);
      const back = running.filter(({ state, app }) => PHASES[state.phase].place === 'back' && app.healthy);
      if (!answers) return;
      if (lock.down !== null) {
        onTheWay = back;
        return;
      }
      for (const node of onTheWay)
        if (ROTATION.includes(node.state.phase))
          verdicts.broken('way back waits for the lock', [node.policy.node, node.state.phase]);
      onTheWay = [];
      for (const node of running) {
        kept(node);
        soaks.rested(node);
      }
      const out = running.filter(({ state }) => PHASES[state.phase].place === 'out');
      if (out.length > 0 && lock.view(time.now).holders.length === 0)
        verdicts.broken(
          'slot lost',
          out.map(({ policy, state }) => `${policy.node} ${state.phase}`),
        );
    },
  };
}
