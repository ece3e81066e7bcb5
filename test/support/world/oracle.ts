import { isYielding } from '../../../agent/lifecycle/phases/capacity.ts';
import { forcedOf } from '../../../agent/lifecycle/observed/counts.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { Request, Result } from '../../../agent/lifecycle/model/api.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import type { BalancerState } from '../../../agent/lifecycle/model/server-state.ts';
import { serversOf } from '../../../agent/lifecycle/step-draft.ts';
import type { Proof, ServerView } from '../../../agent/lifecycle/model/observation.ts';
import type { Survey } from '../../../agent/lifecycle/model/survey.ts';
import { acceptedBy, acceptedOn } from './accepted.ts';
import type { StepTrace, SceneWorld } from './world.ts';
import { createOwnershipInvariants } from './ownership-invariants.ts';

/** Watches every step and knows the whole world: what INVARIANTS.md promises is judged from outside. */
export interface SceneOracle {
  watch(taken: StepTrace): void;
  submitted(request: Request): void;
  crashed(state: State): void;
  /** After everything has come to rest. */
  ended(state: State): void;
}

const MOST_EFFECTS = 40;

function fail(invariant: string, what: unknown): never {
  throw new Error(`${invariant}: ${typeof what === 'string' ? what : JSON.stringify(what)}`);
}

export function createOracle(world: SceneWorld): SceneOracle {
  const answered = new Map<string, 'waiting' | 'replied' | 'over'>();
  const finished = new Set<string>();
  const requests = new Map<string, Request>();
  const surveys = new Map<string, ReadonlyMap<string, Survey>>();
  const proofs = new Map<string, Proof | null>();
  const stops = new Map<string, number>();
  const ownership = createOwnershipInvariants(world, fail, () =>
    askers.some((id) => requests.get(id)?.force === true),
  );
  let ownProof: Proof | null = null;
  /** The callers of the operation, also those who have withdrawn: what was proven for one of these is proven. */
  let askers: readonly string[] = [];
  /** The stop that goes on was issued in this life of the sidecar. */
  let stopSent = false;

  function watch(taken: StepTrace): void {
    const { after, event, effects } = taken;
    const own = effects.filter(({ type }) => type !== 'finish');
    if (own.length > MOST_EFFECTS) fail('no hot loop', effects);
    askers = after.op ? [...new Set([...askers, after.op.id, ...after.op.tickets.map(({ id }) => id)])] : [];
    // The last one of a balancer counts: a request that has got its slot is checked anew.
    if (event.type === 'surveyed')
      surveys.set(event.id, new Map(surveys.get(event.id)).set(event.balancer, event.survey));
    if (event.type === 'command-checked' && event.need === 'stop') proofs.set(event.id, event.proof);
    if (event.type === 'booted') ownProof = after.app.proof;
    if (event.type === 'started' || event.type === 'app-back') ownProof = event.proof;
    ownership.watch(taken);
    thrownOut(taken.after);
    effects.forEach((effect, index) => judge(taken, effect, index));
    stopSent = after.phase === 'stopping' && (stopSent || effects.some(({ type }) => type === 'stop'));
    guarded(taken);
    const { phase } = taken.before;
    if (after.phase === 'drained' && (phase === 'fencing' || phase === 'settling')) agreed(taken);
    adopted(taken);
  }

  /**
   * I1: a user who came in while the fence was lost keeps the session, unless force or a hold in MAINT was
   * requested.
   */
  function thrownOut(state: State): void {
    const wanted = state.outing?.forcedOut === true || state.hold !== null;
    for (const { phase, ...who } of world.site.thrownOut.splice(0)) {
      const isFence = phase === 'fencing' || phase === 'drained' || (phase === 'stopping' && !stopSent);
      if (isFence && !wanted) fail('I1', ['thrown out', phase, who]);
    }
  }

  /** A request of the lifecycle's own making is followed like any other, from its first event. */
  function adopted({ after }: StepTrace): void {
    const asked = [...after.queue, after.candidate?.request, after.pending?.request];
    for (const request of asked) if (request && !answered.has(request.id)) submitted(request);
    if (after.op && !answered.has(after.op.id)) answered.set(after.op.id, 'waiting');
  }

  function submitted(request: Request): void {
    if (answered.has(request.id)) fail('one id, one request', request);
    answered.set(request.id, 'waiting');
    requests.set(request.id, request);
  }

  function judge(taken: StepTrace, effect: Effect, index: number): void {
    const { type } = effect;
    if (type === 'set-server' || type === 'start' || type === 'stop') durable(taken, index);
    if (type === 'persist') isPlain(effect.record);
    if (type === 'reply') replied(taken, effect);
    if (type === 'finish') ended(effect.result, effect.refused, taken.after);
    if (type === 'stop') stopping(taken.after, effect.proof);
    const isGuard = world.policy.keep > 0 && isYielding(taken.after);
    if (type === 'set-server' && effect.admin === 'ready' && taken.after.phase !== 'returning' && !isGuard)
      fail('I9', [taken.after.phase, effect]);
  }

  function isPlain(record: StateRecord): void {
    if (!isDeepStrictEqual(JSON.parse(JSON.stringify(record)), record))
      fail('the record is plain JSON', record);
  }

  /** I8: the intent it is done for has been answered for by the disk, with success or with an alarm. */
  function durable({ before, after, effects }: StepTrace, index: number): void {
    const { saved, intentSave } = after;
    const fresh = effects
      .slice(0, index)
      .some((effect) => effect.type === 'persist' && effect.save > saved && effect.save <= intentSave);
    if (fresh || saved < before.intentSave) fail('I8', [after.phase, effects[index]]);
  }

  function replied({ after }: StepTrace, { id, ticket }: { id: string; ticket: string }): void {
    if ((answered.get(id) ?? 'waiting') !== 'waiting') fail('one answer', [id, answered.get(id)]);
    answered.set(id, 'replied');
    const isDue = after.op !== null || acceptedBy(after).includes(ticket);
    const isKnown = acceptedOn(world.disk.content).includes(ticket);
    if (isDue && !isKnown && after.alarms['disk'] === undefined) fail('I8', ['reply', id, ticket]);
  }

  function ended(result: Result, refused: boolean, state: State): void {
    if (finished.has(result.id)) fail('one finish', result);
    finished.add(result.id);
    if (refused && answered.get(result.id) === 'replied') fail('refused after it was accepted', result);
    answered.set(result.id, 'over');
    if (result.ok && !result.plan) isSo(result, state);
    if (result.ok !== (result.code === 'done')) fail('ok is done', result);
  }

  /** A result that reports success is true. */
  function isSo({ id, operation, phase }: Result, state: State): void {
    if (operation === 'ready' && phase !== 'serving' && phase !== 'unhealthy')
      fail('ready is ready', [id, phase]);
    if (operation === 'stop' && !state.app.gone && world.site.app.alive)
      fail('stopped is stopped', [id, phase]);
  }

  function stopping(state: State, proof: Proof | null): void {
    const { op } = state;
    if (!op) fail('a stop without an operation', state.phase);
    const count = (stops.get(op.id) ?? 0) + 1;
    stops.set(op.id, count);
    if (count > 1 && !world.policy.stopIsIdempotent) fail('I6', `${op.id} stops a second time`);
    const known = askers.map((id) => proofs.get(id)).concat(ownProof);
    if (proof && !known.some((one) => isDeepStrictEqual(one, proof))) fail('I13', proof);
    const forced = op.forced > 0 || op.warnings.some(({ text }) => text.includes('forced'));
    if (!forced) ownership.stopped(state);
  }

  /** I11, when the first word outward is meant: from rotation, by an operation that was checked. */
  function guarded({ before, after }: StepTrace): void {
    const { op } = after;
    if (!op || before.op || op.kind === 'ready' || after.phase !== 'draining') return;
    if (!['serving', 'unhealthy', 'returning'].includes(before.phase)) return;
    const request = requests.get(op.id);
    if (!request) fail('an operation without a request', op);
    if (request.force || request.isShutdown || request.noRefuse === true || world.policy.keep === 0) return;
    const facts = [...(surveys.get(op.id)?.values() ?? [])].flatMap((survey) => survey.facts);
    const isWaited = world.policy.unreachable === 'wait';
    if (isWaited && facts.length < serversOf(after).length) fail('I11', 'not every server was surveyed');
    const short = facts.find(({ usable, usableOthers, standbys }) => {
      const others = (usableOthers ?? -1) + (world.policy.keepBackups ? standbys.length : 0);
      return usable && others < world.policy.keep;
    });
    if (short) fail('I11', short);
  }

  /** I12 and I7: every count is known, and 0. */
  function agreed(taken: StepTrace): void {
    const { before, after: state } = taken;
    if (before.outing?.forcedOut) return forced(taken);
    // A stop that was turned away by the guard leaves what `--no-fence` had left as it was.
    const isLeft = before.outing?.capacity.drainedIn === 'drain' && state.outing?.fenced === false;
    for (const { counts, name } of world.policy.balancers) {
      const balancer = state.balancers[name];
      if (balancer && isPatienceOver(balancer, state.now)) continue;
      if (!balancer?.look || balancer.error !== null) fail('I12', `${name} is unknown`);
      if (!counts) continue;
      for (const { connections, queued } of balancer.look.servers)
        if (connections !== 0 || queued !== 0) fail('I12', [name, connections, queued]);
      if (before.outing?.fenced !== false && !isLeft)
        for (const view of balancer.look.servers) fenced(name, view);
    }
    if (state.app.gone) return;
    for (const [name, { count, error }] of Object.entries(state.sources))
      if (count !== 0 || error !== null) fail('I7', [name, count, error]);
  }

  /** `unreachable: ignore`: three looks and ten seconds without an answer. */
  function isPatienceOver({ outage }: BalancerState, now: number): boolean {
    if (world.policy.unreachable !== 'ignore' || outage === null) return false;
    return outage.looks >= 3 && now - outage.since >= 10_000;
  }

  /** *drained*: whatever lies over it, what is left when that has gone is MAINT. */
  function fenced(at: string, view: ServerView): void {
    if (view.absent !== undefined || forcedOf(view) === 'maint' || isFollowed(at, view)) return;
    fail('drained without a fence', [at, view]);
  }

  /** `foreignDrain: follow`: a DRAIN that another hand has set there, and nothing else. */
  function isFollowed(at: string, view: ServerView): boolean {
    const { by } = world.site.balancer(at).server(view.name);
    return world.policy.foreignDrain === 'follow' && forcedOf(view) === 'drain' && by === 'operator';
  }

  /** A user who was forced is gone, unless the wait was over, and then there is a warning. */
  function forced({ before, after, effects }: StepTrace): void {
    const force = before.outing?.force ?? null;
    if (force === null || force.now || before.forceRequested) return;
    const results = effects.flatMap((effect) => (effect.type === 'finish' ? effect.result.warnings : []));
    const warnings = [...results, ...(after.op?.warnings ?? []).map(({ text }) => text)];
    if (warnings.some((text) => /could not be closed|not every balancer/.test(text))) return;
    for (const { counts, name } of world.policy.balancers) {
      const { look = null, error = null } = after.balancers[name] ?? {};
      if (!counts || look === null || error !== null) continue;
      for (const { connections, queued } of look.servers)
        if (connections !== 0 || queued !== 0) fail('I7', ['forced', name, connections, queued]);
    }
  }

  return {
    watch,
    submitted,
    crashed(state) {
      ownership.crashed(state.alarms['disk'] !== undefined);
      const accepted = acceptedBy(state);
      const known = acceptedOn(world.disk.content);
      for (const [id, how] of answered) {
        // No caller can be answered any more; what was accepted and has not ended must be on the disk (I3).
        if (how === 'waiting') answered.set(id, 'over');
        const isOver = how !== 'replied' || finished.has(id) || !accepted.includes(id);
        if (!isOver && !known.includes(id) && state.alarms['disk'] === undefined) fail('I3', [id, known]);
      }
      // Reported before the crash, perhaps once more after it.
      finished.clear();
    },
    ended(state) {
      if (state.queue.length > 0 || state.candidate || state.pending) fail('the queue drains', state.queue);
      for (const [id, how] of answered) if (how === 'waiting') fail('every request is answered', id);
      if (state.op) fail('I14', [state.phase, state.op]);
      ownership.ended(state);
    },
  };
}
