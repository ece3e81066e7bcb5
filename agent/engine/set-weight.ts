import type { Balancer } from '../balancers/balancer.ts';
import type { Effect } from '../lifecycle/model/effect.ts';
import type { Event } from '../lifecycle/model/event.ts';
import type { Clock } from '../system/clock.ts';
import { isLastcallError, LastcallError } from '../system/error.ts';
import { errorText } from '../system/error-text.ts';

type WeightEvent = Extract<Event, { type: 'weight-set' | 'set-weight-failed' }>;
type Unstamped<E> = E extends unknown ? Omit<E, 'at'> : never;

/** The codes of refusals that HAProxy will repeat. */
const FINAL: readonly string[] = ['config', 'not-permitted', 'no-such-server'];

/** Carries out `set-weight` at its balancer; never throws. */
export async function setWeight(
  clock: Clock,
  driver: Balancer,
  { balancer, server, ...request }: Extract<Effect, { type: 'set-weight' }>,
  signal: AbortSignal,
): Promise<Unstamped<WeightEvent>> {
  const startedAt = clock.now();
  try {
    if (!driver.setWeight) throw new LastcallError('config', `${balancer}: no weight can be set here`);
    const seen = await driver.setWeight(server, request, signal);
    return { type: 'weight-set', balancer, server, weight: request.weight, seen, startedAt };
  } catch (error) {
    const isFinal = isLastcallError(error) && FINAL.includes(error.code);
    return { type: 'set-weight-failed', balancer, server, isFinal, error: errorText(error) };
  }
}
