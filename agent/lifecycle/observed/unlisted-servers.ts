import { answerable, listed, type Objection } from '../model/objection.ts';
import type { OperationKind } from '../model/api.ts';
import type { Candidate } from '../model/operation.ts';
import type { State } from '../model/state.ts';
import type { Draft } from '../step-draft.ts';
import type { ServerView } from '../model/observation.ts';
import type { Relative, Survey } from '../model/survey.ts';

/** Other servers of this application that are not in `servers`: no source counts their users (`unlisted`, API.md#codes). */

/** The operations that a relative refuses. */
const REFUSED: Record<Relative['by'], readonly OperationKind[]> = {
  // It takes the state of ours, so MAINT throws its users out.
  track: ['drain', 'stop', 'restart', 'reboot', 'hold'],
  // It goes on being sent users, until the application ends.
  address: ['stop', 'restart', 'reboot'],
};
const WARNED: Record<Relative['by'], readonly OperationKind[]> = { track: [], address: ['drain'] };
const SHUT =
  'in MAINT and without a connection, so no user is sent there; set to READY meanwhile, users would be sent to an application that is being stopped';

interface Found extends Relative {
  readonly balancer: string;
}

/** The objections to a request, one for each kind of relative; one that is shut stands against nothing. */
export function unlisted(draft: Draft, candidate: Candidate): Objection[] {
  const { kind } = candidate.request;
  const all = relativesFor(draft, candidate);
  const found = all.filter((one) => !isShutTwin(one));
  const shut = REFUSED.address.includes(kind) ? all.filter(isShutTwin) : [];
  const warnings = shut.length === 0 ? [] : [warningOf(`${named(shut)}: ${SHUT}`)];
  const objections = (['track', 'address'] as const).flatMap((by) => {
    const those = found.filter((one) => one.by === by);
    const soft = WARNED[by].includes(kind);
    if (those.length === 0 || (!soft && !REFUSED[by].includes(kind))) return [];
    const what = unlistedText(those);
    if (soft) return [warningOf(`${what}; ${waysOut(those)}`)];
    return [answerable(candidate, 'unlisted', what, waysOut(those))];
  });
  return [...objections, ...warnings];
}

function warningOf(message: string): Objection {
  return { code: 'unlisted', message, soft: true };
}

/** As one of ours that an operator holds in MAINT. What tracks ours goes to READY with it. */
export function isShutTwin({ by, isShut }: Relative): boolean {
  return by === 'address' && isShut === true;
}

/** As surveyed for this request, or, for a node that is out already, when it went. */
function relativesFor({ policy, state }: Draft, { surveys, request }: Candidate): Found[] {
  const ignored = [...policy.ignoreServers, ...(request.ignoreServers ?? [])];
  return Object.keys(state.balancers).flatMap((balancer) => {
    const asked: readonly Relative[] | null = surveys[balancer]?.relatives ?? null;
    return notIgnored(ignored, balancer, asked ?? state.balancers[balancer]?.around?.relatives ?? []);
  });
}

function notIgnored(ignored: readonly string[], balancer: string, relatives: readonly Relative[]): Found[] {
  return relatives.flatMap((one) => (ignored.includes(one.name) ? [] : [{ ...one, balancer }]));
}

/** Those that a survey within an operation shows, but for those that are left out on purpose or are shut. */
export function foundAgain(ignored: readonly string[], { relatives }: Survey): readonly Relative[] {
  return (relatives ?? []).filter((one) => !ignored.includes(one.name) && !isShutTwin(one));
}

/** For the result of the running operation. @param since `after a reload` | `since it began` */
export function unlistedSince(since: string, balancer: string, found: readonly Relative[]): string[] {
  const here = found.map((one) => ({ ...one, balancer }));
  return here.length === 0 ? [] : [`${since}: ${unlistedText(here)}; ${waysOut(here)}`];
}

function unlistedText(found: readonly Found[]): string {
  const what =
    found.length === 1
      ? 'it is this application too and not in `servers`, so its users are not counted'
      : 'they are this application too and not in `servers`, so their users are not counted';
  return `${named(found)}: ${what}`;
}

function named(found: readonly Found[]): string {
  return listed(found.map((one) => `${one.balancer}: ${kinshipText(one)}`));
}

/** In what way a server is this application too. */
export function kinshipText({ name, of, by, servedAt }: Relative): string {
  if (by === 'track') return `${name} tracks ${of}`;
  if (servedAt !== undefined) return `${name} is served by the process of ${of}, at ${servedAt}`;
  return `${name} has the address of ${of}`;
}

function waysOut(found: readonly Found[]): string {
  const names = [...new Set(found.map(({ name }) => name))];
  const flags = (flag: string): string =>
    listed(
      names.map((name) => `${flag} ${name}`),
      3,
    );
  return `list it (servers:, ${flags('--server')}) or leave it out on purpose (ignoreServers:, ${flags('--ignore-server')})`;
}

/** Usable servers of the same backend that end with the application: for a stop they are no others. */
export function twinsOf(
  state: State,
  candidate: Candidate,
  balancer: string,
  { name }: ServerView,
): Relative[] {
  const backend = `${name.split('/', 1)[0] ?? ''}/`;
  const known = candidate.surveys[balancer]?.relatives ?? state.balancers[balancer]?.around?.relatives ?? [];
  return known.filter((one) => one.by === 'address' && one.usable && one.name.startsWith(backend));
}

/** For `--dry-run`: where equal addresses could not be searched for. */
export function uncompared({ surveys }: Candidate): string[] {
  return Object.entries(surveys).flatMap(([balancer, { uncompared: names }]) =>
    names.length === 0
      ? []
      : [
          `${balancer}: ${listed(names)}: no address that could be compared (none, port 0 or a unix socket), so whether it is this application is not known`,
        ],
  );
}

/** A socket that shows no addresses. */
export function hiddenAddresses({ surveys }: Candidate): string[] {
  return Object.entries(surveys).flatMap(([balancer, { blind }]) =>
    blind === null ? [] : [`${balancer}: ${blind}`],
  );
}
