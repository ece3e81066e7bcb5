import type { State } from '../../../agent/lifecycle/model/state.ts';
import { peek } from './peek.ts';
import { OWN, type Requests } from './judge-requests.ts';
import type { IntentJudge } from './judge-intent.ts';
import type { WriteJudge } from './judge-writes.ts';
import { isListed } from './known-users.ts';
import { type LbServer, shown, type SimLb } from './balancer.ts';
import type { SimNode, Taken, World } from './world.ts';

/** After everything has come to rest: I3, I4, I14, I17, `expires`, `onSignOut`. */
export interface RestJudge {
  watch(taken: Taken): void;
  rested(answers: boolean): void;
}

interface Place {
  readonly lb: SimLb;
  readonly server: LbServer;
}

const ROTATION = ['serving', 'unhealthy'];
/** What fell due so long ago should have happened. */
export const DUE_MS = 20_000;

export function createRestJudge(
  world: World,
  { requests, intents, writes }: { requests: Requests; intents: IntentJudge; writes: WriteJudge },
): RestJudge {
  const { time, verdicts } = world;
  const returned = new Map<number, number>();
  /** Lost servers that an alarm has named, in this life of the sidecar or an earlier one. */
  const told = new Set<string>();
  let alarmsSeen: State['alarms'] | null = null;

  const placesOf = (node: SimNode): Place[] =>
    world.lbs.flatMap((lb) =>
      lb.servers.filter((server) => server.node === node.index).map((server) => ({ lb, server })),
    );
  const listedOf = (node: SimNode): Place[] =>
    placesOf(node).filter(
      ({ lb, server }) => isListed(node.policy, lb, server.name) && !lb.polls && lb.line.mode === 'answers',
    );

  function ended(node: SimNode): void {
    const { op, waiting, phase } = peek(node.state);
    // What the lifecycle asks of itself is asked again after each refusal and each deadline, as long as its cause lasts.
    const isAskedAgain = op !== null && OWN.includes(op.by) && time.now < op.deadline;
    if (op && !isAskedAgain) verdicts.broken('never ends', [phase, op.kind, op.id]);
    const left = waiting.filter((id) => !requests.isBeingChecked(id));
    if (left.length > 0) verdicts.broken('not answered', left);
  }

  function levels(node: SimNode): void {
    const { phase, op, hold, healthIsUp } = peek(node.state);
    if (op) return;
    const isOut = ['draining', 'settling', 'fencing', 'drained', 'stopped'].includes(phase);
    const isFenced = phase === 'failed' && writes.isFenced(node);
    for (const { lb, server } of listedOf(node)) {
      const { admin, by, since, absent } = server;
      if (absent) continue;
      if (hold !== null && isOpened(server, hold) && time.now - since > DUE_MS)
        verdicts.broken('hold not set', [phase, lb.name, server.name, admin, hold]);
      const wanted = peek(node.state).wants(lb.name, server.name);
      // Over our fence READY waits for an application that is well (I15), if it takes for ever.
      const isAwaited = wanted === 'ready' && node.policy.hasProbe && !healthIsUp && writes.isFenced(node);
      if (isAwaited || isWithoutName(node, lb, server)) continue;
      if (wanted !== null && by !== 'operator' && admin !== wanted && time.now - since > DUE_MS)
        verdicts.broken('state lost', [phase, lb.name, server.name, admin, wanted]);
      if ((isOut || isFenced) && admin === 'ready' && time.now - since > DUE_MS)
        verdicts.broken('state lost', [phase, lb.name, server.name]);
      const found = writes.foundAt(node, lb.name, server.name);
      if (ROTATION.includes(phase) && by === 'us' && admin !== 'ready' && admin !== found)
        verdicts.broken('not put back', [phase, lb.name, server.name, admin]);
    }
  }

  /** It is not in the node's slot yet, and its DRAIN waits for the lock: that does not answer, or another node has the slot. */
  function isWithoutName({ policy }: SimNode, lb: SimLb, server: LbServer): boolean {
    if (policy.pool === null) return false;
    const held = world.lock.view(time.now).holders.find(({ claim }) => claim.node === policy.node);
    if (held !== undefined && world.lock.down === null) return false;
    return held?.claim.servers[lb.name]?.includes(server.name) !== true;
  }

  /** Users can come that a hold keeps away; what another hand has set beside READY is left to it. */
  function isOpened({ admin, by }: LbServer, hold: 'drain' | 'maint'): boolean {
    return admin === 'ready' || (by !== 'operator' && admin !== 'maint' && admin !== hold);
  }

  /** Put back when the node has returned, where its balancer is still configured; until then an alarm names it. */
  function lost(node: SimNode): void {
    const { phase } = peek(node.state);
    for (const { lb, server } of placesOf(node)) {
      if (isListed(node.policy, lb, server.name) || server.by !== 'us' || server.admin === 'ready') continue;
      const where = [phase, lb.name, server.name, server.admin];
      const isReachable = node.policy.balancers.some(({ name }) => name === lb.name);
      if (isReachable && ROTATION.includes(phase)) verdicts.broken('lost server left out', where);
      const isTold = isReachable ? namesIt(node.state, lb, server) : told.has(keyOf(node, lb, server));
      if (!isTold) verdicts.broken('lost server in silence', where);
    }
  }

  function noteTold(node: SimNode, state: State): void {
    if (state.alarms === alarmsSeen) return;
    alarmsSeen = state.alarms;
    for (const { lb, server } of placesOf(node))
      if (namesIt(state, lb, server)) told.add(keyOf(node, lb, server));
  }

  function namesIt(state: State, lb: SimLb, server: LbServer): boolean {
    return peek(state).alarms.some((text) => text.includes(lb.name) && text.includes(server.name));
  }

  function keyOf({ index }: SimNode, lb: SimLb, server: LbServer): string {
    return `${index} ${lb.name} ${server.name}`;
  }

  function expired(node: SimNode): void {
    const { phase, op, hold, healthIsUp, alarms, expiryRetryAt } = peek(node.state);
    const expiry = intents.expiryOf(node);
    if (node.app.signedOutAt !== null) return;
    if (!expiry || phase !== 'drained' || op || hold || !healthIsUp || !node.policy.hasProbe) return;
    if (listedOf(node).some(({ server }) => server.by === 'operator')) return;
    // An operator's hand had refused it, a minute ago at most.
    if (time.now < expiryRetryAt && alarms.some((text) => text.includes('cannot be ended'))) return;
    const ms = time.now - expiry.drainedAt;
    if (ms > expiry.ms + DUE_MS) verdicts.broken('never expires', `${expiry.ms} ms, drained for ${ms} ms`);
  }

  function signOut(node: SimNode): void {
    const { phase, op, hold, alarms } = peek(node.state);
    const { app, policy } = node;
    // It is asked again and again, and an alarm has the reason why it cannot be done.
    if (alarms.some((text) => text.includes('signed itself out'))) return;
    // One that is not well answers its probe with nothing else.
    if (!app.healthy) return;
    const { signedOutAt } = app;
    if (signedOutAt === null || policy.onSignOut === 'ignore' || !policy.hasProbe || op || hold) return;
    if (!ROTATION.includes(phase) || time.now - signedOutAt < DUE_MS) return;
    if ((returned.get(node.index) ?? -Infinity) > signedOutAt) return;
    const listed = listedOf(node);
    if (listed.length === 0 || listed.some(({ server }) => shown(server).admin !== 'ready')) return;
    if (listed.some(({ lb, server }) => (lb.usableOthers(server.name) ?? 0) < policy.keep)) return;
    verdicts.broken('sign-out lost', `for ${Math.round((time.now - signedOutAt) / 1000)} s, in ${phase}`);
  }

  /** It is opened again on every way back. */
  function gate({ policy, app, state }: SimNode): void {
    const { phase, op } = peek(state);
    if (policy.hasGate && app.gated && ROTATION.includes(phase) && !op)
      verdicts.broken('gate left shut', phase);
  }

  return {
    watch({ node, before, after }) {
      noteTold(node, after);
      if (after.phase === 'returning' && before.phase !== 'returning') returned.set(node.index, time.now);
    },
    rested(answers) {
      requests.rested();
      for (const node of world.nodes) {
        if (!node.running) continue;
        ended(node);
        if (!answers) continue;
        levels(node);
        lost(node);
        expired(node);
        signOut(node);
        gate(node);
      }
    },
  };
}
