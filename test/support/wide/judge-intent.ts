import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { Requests } from './judge-requests.ts';
import { peek } from './peek.ts';
import type { SimNode, Taken, World, Written } from './world.ts';

/** What an operator wants for good: a hold (I18), a node that is out until `ready` (I19), a drain that expires. */
export interface IntentJudge {
  watch(taken: Taken): void;
  written(write: Written): void;
  /** What the disk refused to hold, with an alarm, is lost. */
  crashed(node: SimNode): void;
  /** When the drain that stands expires: milliseconds from `drained` on; null = never. */
  expiryOf(node: SimNode): { readonly ms: number; readonly drainedAt: number } | null;
}

interface Intent {
  isHeld: boolean;
  /** The operation that took the node out, if nothing has ended that intent. */
  out: string | null;
  /** Since when; a write that was sent before may still come after it. */
  outAt: number;
  expiresMs: number | null;
  drainedAt: number | null;
}

/** What these ask for is no operator's intent: it does not outlive the container (I19). */
const OWN = ['app', 'lastcall'];

/** What brings the node back. */
const RETURNS: readonly string[] = ['ready', 'restart', 'reboot', 'release'];

type FinishedEffect = Extract<Effect, { type: 'finish' }>;

export function createIntentJudge(world: World, requests: Requests): IntentJudge {
  const { time, verdicts } = world;
  /** Requests that were accepted, so not answered at once. */
  const replied = new Set<string>();
  /** Requests that became an operation, or joined one: one that waited for its slot may find the node out already. */
  const carriedOut = new Set<string>();
  const intents = new Map<number, Intent>();
  const of = ({ index }: SimNode): Intent => {
    const found = intents.get(index) ?? {
      isHeld: false,
      out: null,
      outAt: 0,
      expiresMs: null,
      drainedAt: null,
    };
    intents.set(index, found);
    return found;
  };

  function watch(taken: Taken): void {
    const { node, before, after, effects } = taken;
    const own = of(node);
    const begun = peek(after).op?.id ?? '';
    if (after.op !== before.op) for (const id of peek(after).op?.tickets ?? []) carriedOut.add(id);
    // It was accepted when it began to wait for a slot.
    if (begun !== peek(before).op?.id && replied.has(begun)) accepted(own, begun, undefined);
    for (const effect of effects) {
      if (effect.type === 'reply' && !peek(after).waiting.includes(effect.id))
        accepted(own, effect.id, peek(after).op?.kind);
      if (effect.type === 'reply') replied.add(effect.id);
      if (effect.type === 'finish') finished(taken, own, effect);
    }
    const is = peek(after);
    if (is.op?.isGivenUp && is.op.kind !== 'hold') Object.assign(own, { out: null, expiresMs: null });
    if (is.phase === 'drained') own.drainedAt ??= time.now;
    else own.drainedAt = null;
    // Also one whose reply a crash has swallowed.
    const isReturn = is.op && is.op.by !== 'lastcall' && RETURNS.includes(is.op.kind);
    if (isReturn && !is.waiting.includes(is.op?.id ?? '')) Object.assign(own, { out: null, expiresMs: null });
    held(node, own, taken);
  }

  function accepted(own: Intent, id: string, running: string | undefined): void {
    const request = requests.find(id);
    if (!request || request.dryRun) return;
    const { kind, isShutdown, force, noRefuse = false } = request;
    if (force && kind !== 'hold') own.isHeld = false;
    if (kind === 'release') own.isHeld = false;
    if (RETURNS.includes(kind)) Object.assign(own, { out: null, expiresMs: null });
    else if (
      kind !== 'hold' &&
      !isShutdown &&
      !noRefuse &&
      !OWN.includes(request.by) &&
      !RETURNS.includes(running ?? '')
    )
      Object.assign(own, { out: id, outAt: time.now });
  }

  function finished({ node, after }: Taken, own: Intent, { result, refused }: FinishedEffect): void {
    const request = requests.find(result.id);
    if (!request || refused || result.plan) return;
    const { kind } = request;
    if (kind === 'release' && result.ok) own.isHeld = false;
    if (request.force && kind !== 'hold') own.isHeld = false;
    if (kind === 'hold') {
      if (result.ok || result.code === 'deadline' || result.code === 'failed') own.isHeld = true;
      else if (result.code === 'cancelled' && !own.isHeld && peek(after).hold !== null)
        verdicts.broken('hold left over', [result.id, peek(after).phase]);
      // What ends the node in any case goes over it, and nothing else.
      if (result.code === 'failed' && !requests.isForcedBy(node))
        verdicts.broken('hold not set', [result.id, result.message]);
    }
    // What was so already stays as it is, unless an expiry was asked for.
    const stays = !carriedOut.has(result.id) && request.expiresMs === null;
    const isDrained = (result.ok || result.code === 'deadline') && peek(after).op === null;
    if (kind === 'drain' && result.phase === 'stopped') stoppedAlready(result, request.expiresMs);
    else if (kind === 'drain' && isDrained && !stays)
      own.expiresMs = request.expiresMs ?? node.policy.expiresMs;
    else if (kind !== 'hold' && kind !== 'drain') own.expiresMs = null;
    // For one that cannot be refused the expiry begins anew.
    if (stays && result.ok && (request.noRefuse ?? false) && own.drainedAt !== null) own.drainedAt = time.now;
    if (!result.ok && result.code === 'cancelled') own.out = null;
  }

  /** Nothing but `ready` ends a stop, and an expiry that was asked for in vain is answered so. */
  function stoppedAlready({ id, warnings }: FinishedEffect['result'], expiresMs: number | null): void {
    if (expiresMs !== null && !warnings.some((text) => text.includes('does not expire')))
      verdicts.broken('never expires', `${id}: nothing says that the stopped node does not expire`);
  }

  /** I18: nothing but `release`, or a forced operation that was installed, ends it. */
  function held(node: SimNode, own: Intent, { after, event }: Taken): void {
    const p = peek(after);
    if (!own.isHeld || p.hold !== null || event.type === 'booted') return;
    const ids = [...p.waiting, ...(p.op ? [p.op.id, ...p.op.tickets] : [])];
    if (ids.some(mayEndHold)) return;
    verdicts.broken('hold lost', [node.policy.node, p.phase, event.type]);
    own.isHeld = false;
  }

  function mayEndHold(id: string): boolean {
    const request = requests.find(id);
    return (request?.force === true && !request.dryRun) || request?.kind === 'release';
  }

  function written({ node, admin, there, lb, issued }: Written): void {
    const own = of(node);
    if (admin !== 'ready' || there === 'ready') return;
    const p = peek(issued.state);
    if (p.hold !== null && own.isHeld) verdicts.broken('READY over a hold', [p.phase, lb.name, p.op?.id]);
    const isExpired = p.op?.by === 'lastcall' && p.op.id.startsWith('lastcall-');
    if (own.out !== null && issued.state.now >= own.outAt && !isExpired && !p.restoring)
      verdicts.broken('READY over an intent', [own.out, p.phase, p.op?.id ?? 'no operation', lb.name]);
    if (isExpired) own.out = null;
  }

  return {
    watch,
    written,
    crashed(node) {
      const p = peek(node.state);
      if (p.hasDiskAlarm) intents.delete(node.index);
      // A request that would end it may have reached the disk, but its answer no caller.
      if (p.waiting.some(mayEndHold)) of(node).isHeld = false;
    },
    expiryOf(node) {
      const { expiresMs, drainedAt } = of(node);
      return expiresMs === null || drainedAt === null ? null : { ms: expiresMs, drainedAt };
    },
  };
}
