import { listed } from '../model/objection.ts';
import { isOutward, PHASES } from '../model/phase.ts';
import type { State } from '../model/state.ts';
import type { BalancerState } from '../model/server-state.ts';
import { alarm, emit, patchBalancer, type Draft, warn } from '../step-draft.ts';
import { sameWorker, type Look, type Worker } from '../model/observation.ts';
import type { Survey, SurveyScope } from '../model/survey.ts';

/** What is known of the servers around ours, by surveys: no poll asks for it. */

/** Keeps the servers around ours from a survey: for `status`, and for a stop of a node that is out already. */
export function remember(draft: Draft, balancer: string, { facts: found, relatives }: Survey): void {
  if (relatives === null) return;
  // One of scope `relatives` has none.
  const facts = found.length > 0 ? found : (draft.state.balancers[balancer]?.around?.facts ?? []);
  patchBalancer(draft, balancer, { around: { at: draft.at, facts, relatives } });
}

/** The id of a survey that no operation asks for. */
const NO_OPERATION = 'reload';

/** Surveys one balancer; the request contains where our servers led to this node last, maybe by an earlier sidecar. */
export function askSurvey(draft: Draft, id: string, balancer: string, scope: SurveyScope): void {
  const addresses = draft.state.balancers[balancer]?.addresses ?? {};
  emit(draft, { type: 'survey', id, balancer, scope, addresses });
}

/**
 * A reload may have brought servers of this application that are not listed: surveyed once, for the drain that is
 * under way, and only when the desired state is set again. DRAIN after a reload does not wait for the survey; the
 * fence does. A node that is out, with an application that may be stopped later, is surveyed too: that stop is then
 * refused.
 */
export function surveyReloaded(draft: Draft): void {
  const { op, phase, balancers } = draft.state;
  for (const { name, counts } of draft.policy.balancers) {
    const balancer = balancers[name];
    if (!balancer?.reloaded) continue;
    const id = op?.id ?? NO_OPERATION;
    // After a restart of the sidecar the phase is known once every balancer has answered.
    if (PHASES[phase].place === 'unknown') continue;
    if (!counts || !isOutward(phase)) patchBalancer(draft, name, { reloaded: null });
    else if (balancer.reloaded.asked !== id && isSettled(balancer, draft.state.epochStartedAt)) {
      patchBalancer(draft, name, { reloaded: { asked: id } });
      askSurvey(draft, id, name, 'reload');
    }
  }
}

/** A balancer that answers has not been surveyed since its reload. */
export function isReloadOpen({ balancers }: State): boolean {
  return Object.values(balancers).some(({ reloaded, error }) => reloaded !== null && error === null);
}

/** Was this asked for no operation? An operation that began meanwhile asks itself. */
export function isWithoutOperation(draft: Draft, id: string): boolean {
  return id === NO_OPERATION && draft.state.op === null;
}

/**
 * The survey after a reload was answered or has failed: either is reported.
 * @param by the worker that answered; one of before the reload shows nothing of it, and it is asked again
 */
export function markReloadReported(draft: Draft, balancer: string, by: Worker | null = null): void {
  const { worker = null, reloaded = null } = draft.state.balancers[balancer] ?? {};
  if (reloaded === null) return;
  const isOld = by !== null && !sameWorker(by, worker);
  patchBalancer(draft, balancer, { reloaded: isOld ? { asked: null } : null });
}

/**
 * A server of ours that leads elsewhere since the node began to go out: a controller has changed its address, or DNS has.
 * The application stays where it was, and another server may lead to it by now: that is asked like after a reload.
 */
export function alarmMovedServers(draft: Draft, balancerName: string, { addresses = {} }: Look): void {
  const homes = draft.state.balancers[balancerName]?.addresses ?? {};
  for (const [name, home] of Object.entries(homes)) {
    const now = addresses[name] ?? home;
    const subject = `moved ${balancerName} ${name}`;
    const text =
      now === home || !keepsAddresses(draft.state)
        ? null
        : `${balancerName}: ${name} leads to ${now}, and led to ${home} before: its address was changed in HAProxy, and its state there is no longer that of this node`;
    const isNews = text !== null && draft.state.alarms[subject] !== text;
    alarm(draft, subject, text);
    if (!isNews) continue;
    if (draft.state.op) warn(draft, subject, text);
    patchBalancer(draft, balancerName, { reloaded: { asked: null } });
  }
}

/** The servers of ours that lead elsewhere by this survey, or that HAProxy does not have. */
export function strayed(
  draft: Draft,
  balancer: string,
  { servers, addresses = {} }: Survey,
): ReadonlySet<string> {
  const homes = draft.state.balancers[balancer]?.addresses ?? {};
  const away = servers.filter(
    ({ name, absent }) => absent !== undefined || (addresses[name] ?? homes[name]) !== homes[name],
  );
  return new Set(away.map(({ name }) => name));
}

/** From the first DRAIN on, as long as the application may live, our servers' addresses are those that led to it. */
export function keepsAddresses({ phase, outing, app }: State): boolean {
  const { place } = PHASES[phase];
  return outing !== null && !app.gone && (place === 'outward' || place === 'unknown');
}

/**
 * A server that HAProxy does not have is reported once: by an alarm as long as it is missing, and by the running
 * operation.
 */
export function alarmAbsentServers(draft: Draft, balancerName: string, { servers }: Look): void {
  const { relatives = [] } = draft.state.balancers[balancerName]?.around ?? {};
  for (const { name, absent } of servers) {
    const others = relatives.filter(({ of, usable }) => usable && of === name).map((one) => one.name);
    const text = absent === undefined ? null : `${balancerName}: ${absent}; ${whereUsersGo(others)}`;
    const subject = `absent ${balancerName} ${name}`;
    alarm(draft, subject, text);
    if (text !== null && draft.state.op) warn(draft, subject, text);
  }
}

/** @param others servers that are the same application by another name, and take users */
function whereUsersGo(others: readonly string[]): string {
  if (others.length === 0) return 'no users are sent to it by this name';
  const are = others.length === 1 ? 'is' : 'are';
  return `users are sent to it as ${listed(others)}, which ${are} not in \`servers\``;
}

/** By a poll that shows it: one begun before our last write was answered does not show its effect. */
function isSettled({ servers, startedAt }: BalancerState, epochStartedAt: number): boolean {
  return Object.values(servers).every(
    ({ found, foreign: held, isLost, inSync, write }) =>
      found === null ||
      isLost ||
      held !== null ||
      (inSync && startedAt >= epochStartedAt && startedAt >= write.answeredAt),
  );
}
