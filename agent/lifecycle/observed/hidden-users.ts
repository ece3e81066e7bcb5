import type { Code } from '../../system/error.ts';
import type { Policy } from '../model/policy.ts';
import type { Request } from '../model/api.ts';
import type { State } from '../model/state.ts';
import type { BalancerState } from '../model/server-state.ts';
import type { Worker } from '../model/observation.ts';

/**
 * After a reload the old worker serves its users until they leave, and the new one has no record of them
 * (BEHAVIOUR.md#reload). What is not counted is unknown, never zero (I7).
 */
export type Doubt =
  /** Old workers that live, by pid: until they have ended. */
  | { readonly kind: 'alive'; readonly pids: readonly number[] }
  /** Other HAProxys of the same configuration that live, by pid: until they have ended. */
  | { readonly kind: 'twins'; readonly pids: readonly number[] }
  /** Whether there are any cannot be seen: until the worker is as old as `reloadGrace`, in monotonic milliseconds. */
  | { readonly kind: 'young'; readonly worker: Worker; readonly until: number };

/** Why more users may be there than the last look counted; null = it counted all. */
export function doubtOf(policy: Policy, { look, worker }: BalancerState, now: number): Doubt | null {
  if (look === null || worker === null) return null;
  const { uncounted, twins = [] } = look;
  if (twins.length > 0) return { kind: 'twins', pids: twins };
  if (uncounted !== null) return uncounted.length > 0 ? { kind: 'alive', pids: uncounted } : null;
  const until = (worker.bornAt ?? now) + policy.reloadGraceMs;
  return now < until ? { kind: 'young', worker, until } : null;
}

/**
 * The text of a doubt.
 * @param until formats the time at which the doubt ends
 */
export function doubtText(doubt: Doubt, until: (at: number) => string): string {
  if (doubt.kind === 'alive') {
    const [worker, lives, its] =
      doubt.pids.length === 1 ? ['worker', 'lives', 'its'] : ['workers', 'live', 'their'];
    return `old ${worker} ${doubt.pids.join(', ')} of before a reload still ${lives}, and ${its} connections are not counted`;
  }
  if (doubt.kind === 'twins') {
    const pids = doubt.pids.join(', ');
    return `another HAProxy with the same configuration file runs (${pids}), which may lead users here and is not asked: end it (\`kill -USR1 ${doubt.pids.join(' ')}\`)`;
  }
  return `workers of before worker ${doubt.worker.pid} cannot be seen and may serve users ${until(doubt.until)}`;
}

/** The balancers that may have more users than they show, and why. */
export function doubtsOf(policy: Policy, state: State): { readonly at: string; readonly doubt: Doubt }[] {
  if (state.app.gone) return [];
  return policy.balancers.flatMap(({ name, counts }) => {
    const balancer = state.balancers[name];
    const doubt = counts && balancer ? doubtOf(policy, balancer, state.now) : null;
    return doubt === null ? [] : [{ at: name, doubt }];
  });
}

/** One balancer's doubt as of `now`, for a message. */
export function doubtLine(
  { at: balancerName, doubt }: ReturnType<typeof doubtsOf>[number],
  now: number,
): string {
  return `${balancerName}: ${doubtText(doubt, (until) => `for ${Math.ceil((until - now) / 1_000)} s more`)}`;
}

const WAYS =
  'ask again then, give a longer --timeout, let `master` or a `tcp` source count them, set reloadGrace lower, or use --force --reason';

/**
 * The objection to a stop whose deadline comes before the end of a doubt: it could only fail. A shorter doubt is waited
 * for, and so are old workers that live, for as long as the deadline allows.
 * @param gone there is no application to stop, so no user can be with it
 */
export function outlasted(
  policy: Policy,
  state: State,
  request: Request,
  gone: boolean,
): { readonly code: Code; readonly message: string; readonly soft: boolean } | null {
  const doubts = gone ? [] : doubtsOf(policy, state);
  if (doubts.length === 0) return null;
  const what = doubts.map((one) => doubtLine(one, state.now)).join('; ');
  const leftMs = request.timeoutMs ?? policy.timeoutMs;
  const late = doubts.some(({ doubt }) => doubt.kind === 'young' && doubt.until - state.now > leftMs);
  // The kernel's socket table may show at any moment that no connection is left.
  if (!late || policy.kernelSource !== null)
    return { code: 'uncounted', message: `${what}; the operation waits for it`, soft: true };
  const message = `${what}, longer than the deadline of ${leftMs / 1_000} s`;
  if (request.force) return { code: 'uncounted', message: `${message}; forced`, soft: true };
  if (request.kind === 'drain') return { code: 'uncounted', message, soft: true };
  return { code: 'uncounted', message: `${message}; ${WAYS}`, soft: false };
}
