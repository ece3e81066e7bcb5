import { isIgnored, viewOf } from '../observed/counts.ts';
import { newRamp, rampMs, weightAt, type Ramp } from '../model/ramp.ts';
import type { Policy } from '../model/policy.ts';
import { RESTORE_PATIENCE_MS, RETRY_FIRST_MS, RETRY_LONGEST_MS, UNSURE_MS } from '../model/policy.ts';
import type { ServerView } from '../model/observation.ts';
import type { State } from '../model/state.ts';
import type { BalancerState } from '../model/server-state.ts';
import {
  allServersOf,
  emit,
  type EventOf,
  isDurable,
  mapServers,
  patchRamp,
  patchServer,
  type ServerPlace,
  resave,
  save,
  type Draft,
  warn,
} from '../step-draft.ts';

/**
 * The ramp (`return.warmUp`): a node that comes back gets its share of new users little by little. Each server's weight is
 * lowered behind the fence, raised in steps from the time it is UP in READY, and at the end as it was. It is a level like
 * the admin state: compared with each look, written where it differs, and given back wherever the way back is left. A weight
 * that is not lastcall's is an operator's, and ends the ramp of that server.
 */

/** How often a weight that was never lowered is tried before READY goes without it. */
const MOST_TRIES = 3;

/** Before the intent of READY goes to disk: which servers will be raised, and to what. */
export function beginRamps(draft: Draft): void {
  const { policy, state } = draft;
  if (policy.warmUpMs === 0) return;
  mapServers(draft, (own, name, balancerName) => {
    const balancer = state.balancers[balancerName];
    if (!balancer || own.found === null || own.foreign !== null || own.isLost) return own;
    // It is still being given back: it begins anew.
    if (own.ramp !== null) return { ...own, ramp: { ...own.ramp, by: 'steps', since: null, isLow: false } };
    const view = balancer.error === null ? viewOf(balancer, name) : undefined;
    if (view?.absent !== undefined) return own;
    const full = view?.weight ?? own.found.weight;
    const weighs = policy.balancers.some((one) => one.name === balancerName && one.weighs === true);
    const ramp = weighs && full !== null ? newRamp(full, policy.warmUpMs) : null;
    if (ramp === null && full !== 0) noRamp(draft, balancerName, name, weighs ? tooLight(full) : UNSEEN);
    return { ...own, ramp };
  });
}

const UNSEEN = 'its weight can be neither read nor set here';

function tooLight(full: number | null): string {
  if (full === null) return 'its weight is not known';
  return `it has weight ${full}, and no smaller one is left; give the servers of its backend a weight such as 100`;
}

function noRamp(draft: Draft, balancerName: string, name: string, why: string): void {
  const text = `${balancerName}: ${name} gets its whole share of new users at once: ${why}`;
  warn(draft, `no ramp ${balancerName} ${name}`, text);
}

/** Judges each weight by the newest look, and writes the one that is wanted now. */
export function advanceRamps(draft: Draft): void {
  if (!isDurable(draft.state) || draft.state.phase === 'recovering') return;
  for (const placed of allServersOf(draft.state)) {
    const { ramp, isLost } = placed.server;
    if (ramp === null) continue;
    if (isLost) write(draft, placed, ramp, ramp.full);
    else judge(draft, placed, ramp);
  }
}

function judge(draft: Draft, placed: ServerPlace, ramp: Ramp): void {
  const { balancer, name } = placed;
  const view = viewOf(balancer, name);
  if (view === undefined || !isCurrent(balancer, ramp)) return;
  if (view.absent !== undefined) return end(draft, placed);
  if (view.weight !== null && !ramp.ours.includes(view.weight))
    return endByOther(draft, placed, view.weight, ramp);
  const isRising = rises(draft.state, placed, view);
  const timed = isRising ? withTime(draft, placed, view, ramp) : ramp;
  const want = isRising ? weightAt(timed, draft.at) : ramp.full;
  if (view.weight !== want) return write(draft, placed, timed, want);
  const isCertain = balancer.startedAt >= ramp.write.uncertainUntil;
  if (isCertain) note(draft, placed, timed, want);
  if (isCertain && want === ramp.full && !isThrottled(draft, timed, view)) end(draft, placed);
}

/** The look was begun after the last write was answered. */
function isCurrent({ error, startedAt }: BalancerState, { write: { answeredAt, underWay } }: Ramp): boolean {
  return error === null && underWay === null && startedAt >= answeredAt;
}

/** On the way back, and nothing else keeps it out: everywhere else the weight is given back. */
function rises({ outing }: State, { server, target }: ServerPlace, { over }: ServerView): boolean {
  return outing?.level === 'ready' && target === 'ready' && server.foreign === null && over === undefined;
}

/** It rises from the time that it takes users, and from the beginning again where it is seen DOWN or out. */
function withTime(
  draft: Draft,
  { balancerName, name, server }: ServerPlace,
  view: ServerView,
  ramp: Ramp,
): Ramp {
  const isReady = server.applied?.admin === 'ready' && view.admin === 'ready';
  const by = isReady && ramp.by === 'steps' && view.throttle !== undefined ? 'slowstart' : ramp.by;
  const isDown = view.operational === 'down';
  // A DRAIN of before, still on its way, would come after this look.
  const begins = server.inSync && view.operational === 'up';
  const since = !isReady || isDown ? null : (ramp.since ?? (begins ? draft.at : null));
  if (by === ramp.by && since === ramp.since) return ramp;
  patchRamp(draft, balancerName, name, { by, since });
  save(draft);
  return { ...ramp, by, since };
}

/** HAProxy's own slowstart has not ended, as far as a way back waits for it. */
function isThrottled({ policy, at }: Draft, { by, since }: Ramp, { throttle }: ServerView): boolean {
  if (by !== 'slowstart' || throttle === undefined) return false;
  return since === null || at - since < policy.returnMs;
}

/** It is as wanted: nothing else can be there because of us. */
function note(draft: Draft, { balancerName, name }: ServerPlace, ramp: Ramp, want: number): void {
  patchRamp(draft, balancerName, name, { ours: [want], isLow: want < ramp.full });
}

function end(draft: Draft, { balancerName, name }: ServerPlace): void {
  patchServer(draft, balancerName, name, { ramp: null });
  save(draft);
}

function endByOther(draft: Draft, { balancerName, name }: ServerPlace, seen: number, { full }: Ramp): void {
  const text = `${balancerName}: ${name} has weight ${seen}, which lastcall has not set: it is left so, and does not rise to ${full}`;
  warn(draft, `weight ${balancerName} ${name}`, text);
  patchServer(draft, balancerName, name, { ramp: null });
  resave(draft);
}

function write(draft: Draft, placed: ServerPlace, ramp: Ramp, want: number): void {
  const { balancer, balancerName, name, server } = placed;
  if (ramp.write.underWay !== null || ramp.write.retryAt > draft.at || server.write.underWay !== null) return;
  if (balancer.error !== null || !isInPlace(draft.state, placed)) return;
  if (want < ramp.full && isUnsaved(draft.state, ramp)) return giveUp(draft, placed, UNSAVED);
  const ours = [...new Set([...ramp.ours, want])];
  patchRamp(draft, balancerName, name, { ours, write: { ...ramp.write, underWay: draft.state.epoch } });
  const { full } = ramp;
  emit(draft, {
    type: 'set-weight',
    balancer: balancerName,
    server: name,
    weight: want,
    full,
    mayReplace: ours,
  });
}

/** After a crash the next sidecar would take the lowered weight for the whole one. */
function isUnsaved({ alarms }: State, { ours, full }: Ramp): boolean {
  return alarms['disk'] !== undefined && ours.every((weight) => weight === full);
}

const UNSAVED = 'what its weight was cannot be saved';

/** It was never lowered, and takes its whole share at once. */
function giveUp(
  draft: Draft,
  { balancerName, name }: Pick<ServerPlace, 'balancerName' | 'name'>,
  why: string,
): void {
  patchRamp(draft, balancerName, name, { by: 'none' });
  noRamp(draft, balancerName, name, why);
  save(draft);
}

/** On the way out DRAIN or MAINT comes first: a weight that is given back must bring no new users. */
function isInPlace({ outing }: State, { server, target }: ServerPlace): boolean {
  if (outing === null || target === null || server.foreign !== null) return true;
  return target === 'ready' || server.inSync;
}

export function onWeightSet(
  draft: Draft,
  { balancer, server, weight, seen, startedAt }: EventOf<'weight-set'>,
): void {
  const own = draft.state.balancers[balancer]?.servers[server];
  const ramp = own?.ramp ?? null;
  if (ramp === null) return;
  const written = { ...ramp.write, underWay: null, answeredAt: draft.at, failures: 0, error: null };
  patchRamp(draft, balancer, server, { write: written });
  // What a driver does not look at is judged by this answer.
  if (own?.isLost) return void (seen !== null && patchServer(draft, balancer, server, { ramp: null }));
  if (seen !== weight || startedAt < ramp.write.uncertainUntil) return;
  patchRamp(draft, balancer, server, { ours: [weight], isLow: weight < ramp.full });
}

/** It is tried again; where it was never lowered, a refusal or a few failures let READY go without it. */
export function onSetWeightFailed(
  draft: Draft,
  { balancer, server, isFinal, error }: EventOf<'set-weight-failed'>,
): void {
  const ramp = draft.state.balancers[balancer]?.servers[server]?.ramp ?? null;
  if (ramp === null) return;
  const failures = ramp.write.failures + 1;
  const pause = Math.min(RETRY_FIRST_MS * 2 ** ramp.write.failures, RETRY_LONGEST_MS);
  const uncertainUntil = draft.at + UNSURE_MS;
  const failed = {
    ...ramp.write,
    underWay: null,
    failures,
    retryAt: draft.at + pause,
    uncertainUntil,
    error,
  };
  patchRamp(draft, balancer, server, { write: failed });
  if (ramp.isLow || ramp.by !== 'steps') {
    warn(
      draft,
      `weight ${balancer} ${server}`,
      `${balancer}: the weight of ${server} could not be set: ${error}`,
    );
  } else if (isFinal || failures >= MOST_TRIES) {
    giveUp(draft, { balancerName: balancer, name: server }, error);
  }
}

/** Every weight is as it was, on the balancers that count. */
export function areRampsOver(policy: Policy, state: State): boolean {
  return stillRising(policy, state).length === 0;
}

function stillRising(policy: Policy, state: State): ServerPlace[] {
  return allServersOf(state).filter(
    ({ balancer, server }) => server.ramp !== null && !isIgnored(policy, state, balancer),
  );
}

/** The weights that are not as they were, for the error of a return. */
export function unraised({ policy, state }: Draft): string[] {
  return stillRising(policy, state).map(({ balancerName, name, server: { ramp } }) => {
    const why = ramp?.write.error == null ? '' : ` (${ramp.write.error})`;
    return `${balancerName}: the weight of ${name} is not ${ramp?.full} again${why}`;
  });
}

/** How much longer than its deadline a return may last because of a ramp, in milliseconds: the deadline is for health and UP. */
export function rampAllowance({ state, policy }: Pick<Draft, 'state' | 'policy'>): number {
  const longest = allServersOf(state).map(({ server: { ramp } }) => {
    if (ramp === null || ramp.since === null) return 0;
    return RESTORE_PATIENCE_MS + (ramp.by === 'slowstart' ? policy.returnMs : rampMs(ramp));
  });
  return Math.max(0, ...longest);
}

/** When the next weight is due, or tried again, in monotonic milliseconds. */
export function nextRamps(state: State, now: number): number[] {
  return allServersOf(state).flatMap(({ server: { ramp } }) => {
    if (ramp === null) return [];
    const { since, stepMs, write: tried } = ramp;
    const steps = since === null ? [] : [since + (Math.floor((now - since) / stepMs) + 1) * stepMs];
    return [...steps, ...(tried.failures > 0 ? [tried.retryAt] : [])];
  });
}
