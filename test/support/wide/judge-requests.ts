import { logResult } from '../../../agent/engine/result-log.ts';
import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { Request, Result } from '../../../agent/lifecycle/model/api.ts';
import type { Log } from '../../../agent/system/log-port.ts';
import { acceptedOn } from '../world/accepted.ts';
import { createTermJudge } from './judge-terms.ts';
import { peek } from './peek.ts';
import type { SimNode, Taken, World } from './world.ts';

/** Every request is answered once, and what was accepted is on disk; terms, silence and refusals are judged too. */
export interface Requests {
  watch(taken: Taken): void;
  submitted(node: SimNode, request: Request): void;
  cancelled(node: SimNode, id: string): void;
  crashed(node: SimNode): void;
  rested(): void;
  find(id: string): Request | undefined;
  /** One that the lifecycle asks of itself, begun so short a time ago that its checks may not have answered. */
  isBeingChecked(id: string): boolean;
  result(id: string): Result | undefined;
  /** The running operation may do what is refused to others. */
  isForcedBy(node: SimNode): boolean;
  /** What is refused to others is not refused to it: it was forced, or cannot be refused. */
  isExcused(id: string): boolean;
  /** The outing of this node goes over the guard: a request that is excused was accepted in it. */
  isOverGuard(node: SimNode): boolean;
}

interface Followed {
  readonly node: SimNode;
  readonly request: Request;
  readonly touched: boolean;
  readonly since: number;
  state: 'waiting' | 'replied' | 'over';
  ticket: string;
}

/** The stop at the end of each campaign, which is judged by whether it is done. */
function isLast({ id }: Request): boolean {
  return /^last\d/.test(id);
}

/** So long after it an operator's hand may still be seen. */
const NEWS_MS = 5_000;
/** A survey takes two seconds, three tries to read a source five; the rest is for the disk. */
const CHECKS_MS = 10_000;
/** In whose name the lifecycle asks something of itself. */
export const OWN: readonly string[] = ['app', 'lastcall'];
const FORCE_ANSWERS = ['guard', 'held', 'uncounted', 'unkeepable', 'unlisted'];
const ROTATION: readonly string[] = ['serving', 'unhealthy'];
const UNREFUSED = ['guard', 'uncounted', 'unkeepable', 'unlisted'];

type Finish = Extract<Effect, { type: 'finish' }>;

/** The engine writes each end to the log; one that no caller hears has to stand out there. */
function isLogged(result: Result): boolean {
  let isWarned = false;
  const log = { warn: () => (isWarned = true), info: () => undefined } as unknown as Log;
  logResult(log, result, true);
  return isWarned;
}

export function createRequests(world: World): Requests {
  const { verdicts } = world;
  const all = new Map<string, Followed>();
  const results = new Map<string, Result>();
  const touchedAt = new Map<number, number>();
  const find = (id: string): Request | undefined => all.get(id)?.request;
  const followersOf = (ticket: string): Request[] =>
    [...all.values()]
      .filter((one) => one.ticket === ticket && one.state !== 'over')
      .map(({ request }) => request);
  const overGuard = new Set<number>();
  const isExcused = (id: string): boolean =>
    [find(id)?.force, find(id)?.isShutdown, find(id)?.noRefuse].includes(true);
  const terms = createTermJudge(world, find, followersOf);

  function watch(taken: Taken): void {
    const { node, before, after, effects } = taken;
    isTouched(node);
    if (ROTATION.includes(after.phase)) overGuard.delete(node.index);
    // One whose record was on disk when the sidecar died goes on after the boot, and its caller is not answered.
    else if (after.op !== before.op && ticketsOf(after).some(isExcused)) overGuard.add(node.index);
    for (const request of own(taken)) if (!all.has(request.id)) submitted(node, request);
    terms.watch(taken);
    for (const effect of effects) {
      if (effect.type === 'reply') replied(taken, effect);
      if (effect.type === 'reply' && isExcused(effect.id)) overGuard.add(node.index);
      if (effect.type === 'finish') finished(taken, effect);
    }
    bounded(after);
  }

  /** What the lifecycle asks of itself is followed from when it is first heard of. */
  function own({ before, after }: Taken): Request[] {
    const isAsBefore =
      before.queue === after.queue &&
      before.candidate === after.candidate &&
      before.pending === after.pending;
    if (isAsBefore) return [];
    return [...after.queue, after.candidate?.request, after.pending?.request].filter((one) => one != null);
  }

  function submitted(node: SimNode, request: Request): void {
    all.set(request.id, {
      node,
      request,
      touched: isTouched(node),
      since: world.time.now,
      state: 'waiting',
      ticket: request.id,
    });
  }

  function replied({ node, after }: Taken, { id, ticket, joins }: Extract<Effect, { type: 'reply' }>): void {
    const one = all.get(id);
    if (!one) return;
    if (one.state !== 'waiting') verdicts.broken('answered twice', [id, one.state]);
    Object.assign(one, { state: 'replied', ticket });
    if (joins !== null) terms.joined(node, one.request, ticket);
    const isDue = after.op !== null || peek(after).accepted.includes(ticket);
    if (isDue && !acceptedOn(node.disk.content).includes(ticket) && !peek(after).hasDiskAlarm)
      verdicts.broken('accepted and not on disk', [id, ticket]);
  }

  function finished(taken: Taken, { result, refused }: Finish): void {
    const { node } = taken;
    if (results.has(result.id)) verdicts.broken('answered twice', result.id);
    results.set(result.id, result);
    const one = all.get(result.id);
    if (!one) return;
    terms.finished(taken, result);
    if (refused && one.state === 'replied') verdicts.broken('refused after it was accepted', result.id);
    for (const other of all.values()) if (other.ticket === result.id) other.state = 'over';
    one.state = 'over';
    const isGoingOut = ['drain', 'stop', 'restart', 'reboot'].includes(result.operation);
    const byHold = result.message?.includes('lastcall release') === true;
    if (result.code === 'held' && isGoingOut && !byHold && node.policy.foreignDrain === 'follow')
      verdicts.broken('follow not heard', result.message ?? '');
    if (result.ok !== (result.code === 'done')) verdicts.broken('done and not so', [result.ok, result.code]);
    if (refused) refusal(node, one, result);
    if (result.ok && !result.plan && isReturn(result) && result.phase !== 'serving')
      verdicts.broken('done and not so', [result.id, result.operation, result.phase]);
  }

  function isReturn({ operation }: Result): boolean {
    return operation === 'ready' || operation === 'restart' || operation === 'reboot';
  }

  function refusal(node: SimNode, { request, touched }: Followed, result: Result): void {
    const { code, message = '' } = result;
    if (request.isShutdown) verdicts.broken('shutdown refused', `${code}: ${message}`);
    if (request.noRefuse === true && UNREFUSED.includes(code))
      verdicts.broken('shutdown refused', `${code}: ${message}`);
    if (request.force && !isLast(request) && FORCE_ANSWERS.includes(code))
      verdicts.broken('force not heard', `${code}: ${message}`);
    const byHold = message.includes('lastcall release');
    if (code === 'held' && !touched && !isTouched(node) && !byHold)
      verdicts.broken('held without cause', message);
    const isUnheard = ['schedule', 'app', 'lastcall'].includes(request.by);
    if (isUnheard && !isLogged(result))
      verdicts.broken('refused in silence', `${request.by} ${request.kind}: ${code}`);
  }

  /**
   * Another hand is at a server of this node, or was a moment ago; or HAProxy does not have it: it answers a survey of it
   * with `no such server`, where this world shows MAINT.
   */
  function isTouched({ policy, index, known }: SimNode): boolean {
    const isNow = policy.balancers.some(({ name, servers }) =>
      servers.some((server) => {
        // A balancer that cannot be asked is what it showed last.
        const looked = known.looks.get(name);
        const shown = looked?.servers.find((view) => view.name === server);
        if (looked?.lostAt != null && shown !== undefined && shown.admin !== 'ready') return true;
        const { by, over, absent, touchedAt: last } = world.lb(name).server(server);
        return by === 'operator' || over !== null || absent || world.time.now - last < NEWS_MS;
      }),
    );
    if (isNow) touchedAt.set(index, world.time.now);
    return world.time.now - (touchedAt.get(index) ?? -Infinity) < NEWS_MS;
  }

  /** Two warnings that differ in their numbers only are one. */
  function bounded(after: Taken['after']): void {
    const { op } = peek(after);
    if (!op || op.warnings.length < 8) return;
    const shapes = new Map<string, number>();
    for (const text of op.warnings) {
      const shape = text.replaceAll(/\d+/g, '#');
      shapes.set(shape, (shapes.get(shape) ?? 0) + 1);
      if ((shapes.get(shape) ?? 0) > 6) verdicts.broken('warnings without end', [op.warnings.length, text]);
    }
  }

  function ticketsOf(state: Taken['after']): readonly string[] {
    const { op } = peek(state);
    return op === null ? [] : [op.id, ...op.tickets];
  }

  function isBeingChecked(id: string): boolean {
    const one = all.get(id);
    return one !== undefined && OWN.includes(one.request.by) && world.time.now - one.since < CHECKS_MS;
  }

  return {
    watch,
    submitted,
    cancelled: (node, id) => terms.cancelled(node, id),
    crashed(node) {
      const known = new Set(acceptedOn(node.disk.content));
      const running = new Set(peek(node.state).accepted);
      const isTold = peek(node.state).hasDiskAlarm;
      for (const [id, one] of all) {
        if (one.node !== node || one.state === 'over') continue;
        // The record of what ends a hold, by force, had reached the disk a moment before.
        const isEnded =
          one.request.kind === 'hold' && [...known].some((other) => find(other)?.force === true);
        const isLeft = running.has(one.ticket) && !known.has(one.ticket);
        if (one.state === 'replied' && isLeft && !isTold && !isEnded)
          verdicts.broken('forgotten by a crash', id);
        // The next life may report it once more, or never: no caller waits any more.
        one.state = 'over';
      }
      for (const id of results.keys()) if ((all.get(id)?.node ?? node) === node) results.delete(id);
      terms.crashed(node);
    },
    rested() {
      for (const [id, { state }] of all)
        if (state === 'waiting' && !isBeingChecked(id)) verdicts.broken('not answered', id);
    },
    find,
    isBeingChecked,
    result: (id) => results.get(id),
    isExcused,
    isOverGuard: ({ index }) => overGuard.has(index),
    isForcedBy: (node) =>
      ticketsOf(node.state)
        .map(find)
        .some((request) => request?.force === true || request?.isShutdown === true),
  };
}
