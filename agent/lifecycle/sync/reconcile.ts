import { byName } from '../model/named-error.ts';
import { forcedOf, isIgnored, isFresh, viewOf } from '../observed/counts.ts';
import { desired } from '../model/desired.ts';
import { doubtLine, doubtsOf } from '../observed/hidden-users.ts';
import { checkOwnership, noteBeforeIntent, widenOwnership } from './ownership.ts';
import {
  type Policy,
  RETRY_FIRST_MS,
  RETRY_LONGEST_MS,
  UNSEEN_CHECK_MS,
  UNSURE_MS,
} from '../model/policy.ts';
import type { State } from '../model/state.ts';
import type { BalancerState, ServerState } from '../model/server-state.ts';
import type { Write } from '../model/write.ts';
import { alarmAbsentServers, alarmMovedServers, keepsAddresses } from '../observed/surroundings.ts';
import {
  allServersOf,
  emit,
  type EventOf,
  patchBalancer,
  patchOuting,
  patchServer,
  patchWrite,
  type ServerPlace,
  save,
  serversOf,
  type Draft,
  warn,
} from '../step-draft.ts';
import { isSuccessor, sameWorker, type ServerView, type Worker } from '../model/observation.ts';

/**
 * Towards a balancer the intent is a level, not an edge: the desired state is compared with the observed one after
 * every poll, and written again where HAProxy lost it (a reload, a restart). A foreign state is left alone.
 */

/** A look came in: keep it, and judge each server by it. */
export function onPolled(draft: Draft, { balancer: name, look, startedAt }: EventOf<'polled'>): void {
  const balancer = draft.state.balancers[name];
  if (!balancer || startedAt < balancer.startedAt) return;
  const { worker: known } = balancer;
  const worker = look.worker ?? known;
  const before = balancer.startedAt < 0 ? startedAt : balancer.startedAt;
  const addresses = keepsAddresses(draft.state)
    ? { ...look.addresses, ...balancer.addresses }
    : { ...balancer.addresses, ...look.addresses };
  patchBalancer(draft, name, { look, startedAt, at: draft.at, error: null, outage: null, worker, addresses });
  if (known !== null && worker !== null && !sameWorker(known, worker)) onReplaced(draft, name, known, worker);
  alarmAbsentServers(draft, name, look);
  alarmMovedServers(draft, name, look);
  // A balancer that only polls shows what it got from this very process: only a new answer makes that certain.
  const shows = draft.policy.balancers.find((known) => known.name === name)?.counts ?? false;
  if (!shows) return;
  for (const view of look.servers) {
    const own = balancer.servers[view.name];
    // Of two looks at the same time one may have read our state, and the other, begun later, what was there before it.
    if (startedAt < Math.max(own?.write.answeredAt ?? 0, own?.applied?.at ?? 0)) continue;
    if (startedAt < draft.state.epochStartedAt) noteBeforeIntent(draft, name, view, startedAt);
    else checkOwnership(draft, name, view, { startedAt, before });
  }
}

/**
 * Another worker: it has lost our states, or has loaded them from a state file; the servers around ours may differ.
 */
function onReplaced(draft: Draft, name: string, known: Worker, worker: Worker): void {
  const by = worker.pid === known.pid ? 'another one of the same pid' : String(worker.pid);
  emit(draft, { type: 'log', level: 'warn', text: `${name}: worker ${known.pid} was replaced by ${by}` });
  patchOuting(draft, { quiet: null });
  widenOwnership(draft, name);
  // What answers a write that was sent to the worker before does not show whose state this one has.
  for (const [server, { write }] of Object.entries(draft.state.balancers[name]?.servers ?? {}))
    if (write.underWay !== null)
      patchWrite(draft, name, server, { uncertainUntil: Math.max(write.uncertainUntil, draft.at) });
  patchBalancer(draft, name, { worker, reloaded: { asked: null } });
  if (draft.state.op !== null) tellDoubt(draft, name);
}

/** A reload in the middle of an operation: its result names the workers that may still serve users. */
function tellDoubt(draft: Draft, name: string): void {
  const found = doubtsOf(draft.policy, draft.state).find(({ at: balancerName }) => balancerName === name);
  if (found) warn(draft, `doubt ${name}`, doubtLine(found, draft.at));
}

/** It cannot be asked: whatever was seen is history, and quiet no longer holds. */
export function onPollFailed(draft: Draft, { balancer, error }: EventOf<'poll-failed'>): void {
  const before = draft.state.balancers[balancer];
  if (!before) return;
  if (before.error === null) emit(draft, { type: 'log', level: 'warn', text: byName(balancer, error) });
  const { since, looks } = before.outage ?? { since: draft.at, looks: 0 };
  patchBalancer(draft, balancer, { error, at: draft.at, outage: { since, looks: looks + 1 } });
  // Users seen by its last poll are not forgotten in a crash: only the deadline ends the wait for them.
  if (before.outage === null && draft.state.outing !== null && draft.policy.unreachable === 'ignore')
    save(draft);
}

/** A write was answered, with the state that is set now, which may be foreign. */
export function onServerSet(draft: Draft, event: EventOf<'server-set'>): void {
  const { balancer: name, server, admin, epoch, startedAt } = event;
  const { worker, ...view } = event.view;
  const known = draft.state.balancers[name]?.worker;
  // Ownership is decided with all that is known of the writer: first of all whether the worker is a new one.
  const isNew = worker !== undefined && known != null && isSuccessor(known, worker);
  const balancer = draft.state.balancers[name];
  if (!balancer) return;
  // Unless an older write may still take effect, the present state is this one or foreign. That holds for the
  // answer to an older intent too: an operator's change between our write and its read-back must not be missed.
  const unsure = startedAt < (balancer.servers[server]?.write.uncertainUntil ?? 0);
  const forced = forcedOf(view);
  const possiblyOurs = unsure ? {} : { possiblyOurs: forced === admin ? [admin] : [] };
  patchServer(draft, name, server, possiblyOurs);
  if (isNew) onReplaced(draft, name, known, worker);
  patchWrite(draft, name, server, { underWay: null, answeredAt: draft.at, failures: 0, error: null });
  warnOfInitState(draft, name, balancer, event);
  // A poll begun later is newer, and counts users that this answer has not seen.
  if (epoch !== draft.state.epoch || startedAt < balancer.startedAt) return;
  if (balancer.look) {
    const servers = balancer.look.servers.map((old) => (old.name === server ? view : old));
    patchBalancer(draft, name, { look: { ...balancer.look, servers } });
  }
  tellUndone(draft, event, balancer.servers[server]);
  checkOwnership(draft, name, view, { startedAt, before: balancer.startedAt });
}

/** Our write was answered, but another state than the desired one is set: warns and writes again. */
function tellUndone(
  draft: Draft,
  { balancer, server, admin, view }: EventOf<'server-set'>,
  own: ServerState | undefined,
): void {
  const target = own ? desired(draft.state, own) : null;
  const forced = forcedOf(view);
  if (!own || target === null || forced === admin) return;
  const error = `it was set to ${admin} and is ${forced}; see who else writes its state`;
  if (forced === 'ready')
    warn(draft, `overwritten ${balancer} ${server}`, `${balancer}: ${server}: ${error}`);
  // At once the first time: a reload that came in between must not wait for a poll.
  const soon = own.write.failures === 0 ? { retryAt: draft.at } : {};
  patchWrite(draft, balancer, server, { ...again(draft, own.write, error), ...soon });
}

/**
 * Out of MAINT HAProxy takes a server for up until a check has failed; with `init-state down` or `fully-down` (3.1 and
 * later) for down until checks were good, and its bound users are moved meanwhile (measured on 3.2.26). It cannot be
 * seen beforehand, and no way out of MAINT avoids it: DRAIN at once at least brings back who has not clicked meanwhile.
 */
function warnOfInitState(
  draft: Draft,
  balancerName: string,
  { look, servers }: BalancerState,
  { server, admin, view }: EventOf<'server-set'>,
): void {
  const shown = look?.servers.find(({ name }) => name === server)?.admin;
  // MAINT that was answered after the intent had changed is in no look yet.
  const wasMaint =
    shown === 'maint' || (shown === 'drain' && servers[server]?.possiblyOurs.includes('maint') === true);
  if (
    !wasMaint ||
    admin !== 'drain' ||
    view.admin !== 'drain' ||
    view.operational === 'up' ||
    !draft.state.op
  )
    return;
  warn(
    draft,
    `init-state ${balancerName} ${server}`,
    `${balancerName}: ${server} went from MAINT to DRAIN and is DOWN first: its bound users are sent to other nodes until its ` +
      'check is good; take `init-state down` or `fully-down` off this server',
  );
}

/** Retries a write that did not take effect, with a growing pause. */
function again({ at }: Draft, { failures }: Write, error: string): Partial<Write> {
  const pause = Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_LONGEST_MS);
  return { failures: failures + 1, retryAt: at + pause, error };
}

/** A write failed. It may still be carried out by a process that was only stopped, so no look is final for a while. */
export function onSetServerFailed(
  draft: Draft,
  { balancer, server, epoch, error }: EventOf<'set-server-failed'>,
): void {
  const own = draft.state.balancers[balancer]?.servers[server];
  if (!own) return;
  const unsure = { underWay: null, uncertainUntil: draft.at + UNSURE_MS };
  if (epoch !== draft.state.epoch) return patchWrite(draft, balancer, server, unsure);
  patchWrite(draft, balancer, server, { ...again(draft, own.write, error), ...unsure });
  warn(
    draft,
    `unset ${balancer} ${server}`,
    `${balancer}: ${server} could not be set to ${desired(draft.state, own)}: ${error}`,
  );
}

/** Every server that is ours to set was seen as we want it, on a balancer that answers. */
export function allInSync(policy: Policy, state: State): boolean {
  return notInSync(policy, state).length === 0;
}

/** The servers that are ours to set and were not seen as we want them, on a balancer that answers. */
export function notInSync(policy: Policy, state: State): ServerPlace[] {
  return allServersOf(state).filter(
    ({ balancer, server, target }) =>
      target !== null &&
      server.foreign === null &&
      !isIgnored(policy, state, balancer) &&
      !(server.inSync && balancer.error === null),
  );
}

/** Every balancer answered a look that was begun at or after `since`. */
export function allKnown(policy: Policy, state: State, since: number): boolean {
  return Object.values(state.balancers).every(
    (balancer) => isIgnored(policy, state, balancer) || isFresh(balancer, since),
  );
}

/** Polls all balancers and sources at once, and begins a new epoch of answers. */
export function pollAll(draft: Draft): void {
  for (const { name } of draft.policy.balancers) emit(draft, { type: 'poll', balancer: name });
  for (const source of draft.policy.sources) emit(draft, { type: 'count', source });
}

/** Warns of the balancers that were skipped. */
export function warnLeftOut(draft: Draft): void {
  for (const [balancerName, { error }] of Object.entries(draft.state.balancers)) {
    if (error !== null)
      warn(
        draft,
        `left out ${balancerName}`,
        `${balancerName} is unreachable, skipped: ${error}; its state is set once it is reachable`,
      );
  }
}

/** No write of ours can bring users there: the server is missing, or DNS or a tracked server keeps it out. */
export function isOutOfHand(view: ServerView | undefined): boolean {
  return view?.absent !== undefined || view?.over !== undefined;
}

/** The servers whose operational state is not up although they are ours, for the error of a return. */
export function notUp(policy: Policy, state: State): string[] {
  return serversOf(state)
    .filter(
      ({ balancer, name, server, target }) =>
        target !== null &&
        server.foreign === null &&
        !isIgnored(policy, state, balancer) &&
        !isOutOfHand(viewOf(balancer, name)) &&
        viewOf(balancer, name)?.operational !== 'up',
    )
    .map(({ balancerName, name, balancer }) => {
      const { operational = null, checkFailed } = viewOf(balancer, name) ?? {};
      const why = checkFailed === undefined ? '' : ` (${checkFailed})`;
      return `${balancerName}: ${name}${operational === null ? '' : ` is ${operational.toUpperCase()}${why}`}`;
    });
}

/**
 * The servers that HAProxy calls UP since our READY and need not have checked since: no probe of ours vouches for them.
 * @param at now
 */
export function notChecked({ policy, state, at }: Pick<Draft, 'policy' | 'state' | 'at'>): string[] {
  if (policy.hasProbe) return [];
  return serversOf(state)
    .filter(
      ({ balancer, name, server: { foreign, applied } }) =>
        foreign === null &&
        applied?.admin === 'ready' &&
        at - applied.at < UNSEEN_CHECK_MS &&
        !isIgnored(policy, state, balancer) &&
        viewOf(balancer, name)?.assumedUp === true,
    )
    .map(
      ({ balancerName: where, name }) =>
        `${where}: ${name} is UP, which HAProxy reports before its first check, too (fall 1)`,
    );
}
