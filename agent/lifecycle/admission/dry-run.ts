import { isLeftAlone, surveyed } from './checks.ts';
import { connectionsOf } from '../observed/counts.ts';
import type { Candidate } from '../model/operation.ts';
import { serversOf, type Draft } from '../step-draft.ts';

function countNow(name: string, count: number | null, error: string | null): string {
  return `${name} (now ${count ?? `unknown${error === null ? '' : `: ${error}`}`})`;
}

function sourcesNow({ policy, state }: Draft): string[] {
  return policy.sources.map((name) => {
    const { count = null, error = null } = state.sources[name] ?? {};
    return countNow(name, count, error);
  });
}

/** The output of `--dry-run`: the steps that this request would take from here, a line each. */
export function planOf(draft: Draft, candidate: Candidate): string[] {
  const { request } = candidate;
  const out = wayOut(draft, candidate);
  const stop = [...out, 'stop the application and see that it is gone'];
  const back = wayBack(draft);
  switch (request.kind) {
    case 'drain':
      return out;
    case 'stop':
      return stop;
    case 'ready':
      return back;
    case 'hold':
      return setting(
        draft,
        candidate,
        `${(request.holdIn ?? 'drain').toUpperCase()} until \`lastcall release\``,
      );
    case 'release':
      return [`put back what was found at ${namesOf(draft)}`];
    case 'restart':
      return [...stop, ...back];
    case 'reboot':
      return [
        ...stop,
        'reboot the machine by `systemctl reboot`',
        ...back.map((line) => `after the boot ${line}`),
      ];
    default:
      return request.kind satisfies never;
  }
}

function namesOf({ state }: Draft, isMeant: (name: string) => boolean = () => true): string {
  return serversOf(state)
    .map(({ balancerName, name }) => `${name} at ${balancerName}`)
    .filter(isMeant)
    .join(', ');
}

/** What is held by another stays as it is. */
function setting(draft: Draft, candidate: Candidate, state: string): string[] {
  const held = surveyed(draft, candidate).filter((one) => isLeftAlone(candidate.request, one));
  const left = new Set(held.map(({ balancer, view }) => `${view.name} at ${balancer}`));
  const names = namesOf(draft, (name) => !left.has(name));
  return [
    ...(names === '' ? [] : [`set ${names} to ${state}`]),
    ...held.map(
      ({ balancer, view }) => `leave ${view.name} at ${balancer} in ${view.admin.toUpperCase()} and count it`,
    ),
  ];
}

function wayOut(draft: Draft, candidate: Candidate): string[] {
  const { policy, state } = draft;
  const { request } = candidate;
  const timeoutMs = request.timeoutMs ?? policy.timeoutMs;
  const counted = [countNow('connections', connectionsOf(policy, state), null), ...sourcesNow(draft)].join(
    ', ',
  );
  const { pool, quietMs } = policy;
  const quiet = quietMs === 0 ? '' : ` for ${quietMs / 1000} s`;
  return [
    ...(pool === null ? [] : [`take a slot of pool ${pool.name}, which has ${pool.slots}`]),
    ...setting(draft, candidate, 'DRAIN'),
    `wait up to ${timeoutMs / 1000} s until ${counted} are 0${quiet}; then ${request.onTimeout ?? policy.onTimeout}`,
    ...(request.fence ? ['fence with MAINT and look again'] : []),
  ];
}

function wayBack({ policy }: Draft): string[] {
  return [
    ...(policy.canStart ? ['start the application if it is down'] : []),
    ...(policy.hasProbe ? ['wait until its probe is good'] : []),
    'set READY and read back READY and UP',
  ];
}
