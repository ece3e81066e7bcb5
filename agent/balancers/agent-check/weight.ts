import { type Clock, sleep, withDeadline } from '../../system/clock.ts';
import { LastcallError } from '../../system/error.ts';
import type { ServerWeight, WeightRequest } from '../balancer.ts';
import { ACK_TIMEOUT_MS } from '../poller-acks.ts';
import type { Announcer, SeenServer } from './announcer.ts';

/** HAProxy obeys a line within milliseconds of reading it. */
const READ_BACK_MS = 25;
/** So often it is said before HAProxy is known not to take it; the poll of another process at its address is one of them. */
const MOST_TELLINGS = 3;

export interface WeightWriting {
  /** For messages. */
  readonly target: string;
  readonly announcer: Pick<Announcer, 'announceWeight'>;
  readonly clock: Clock;
  /** Both weights, by the Runtime API; null where HAProxy does not have the server. */
  read(signal: AbortSignal): Promise<ServerWeight | null>;
  /** A poll of the server, which has the weight of now. */
  observe(signal: AbortSignal): Promise<SeenServer>;
  /** Why no answer came to HAProxy in time. */
  readonly late: () => LastcallError;
}

/**
 * Sets the weight of a server by the answers to its agent-check, as `Balancer.setWeight`. HAProxy takes whole percents of the
 * configured weight, cut off (BEHAVIOUR.md#weights): a weight that is none of them, which an operator may have set by the
 * socket, cannot be given back exactly, so nothing is lowered from it.
 */
export async function announceWeight(
  writing: WeightWriting,
  { weight, full, mayReplace }: WeightRequest,
  signal: AbortSignal,
): Promise<number | null> {
  const found = await writing.read(signal);
  if (found === null || found.weight === null) return null;
  if (found.weight === weight || !mayReplace.includes(found.weight)) return found.weight;
  const { target, announcer, clock } = writing;
  const percent = percentFor(target, weight, found.configured);
  percentFor(target, full, found.configured);
  const announced = announcer.announceWeight({ weight, percent, replaces: mayReplace });
  try {
    return await withDeadline(clock, ACK_TIMEOUT_MS, signal, writing.late, async (own) => {
      for (;;) {
        await sleep(clock, READ_BACK_MS, own);
        const isTold = announced.tellings >= MOST_TELLINGS;
        if (announced.tellings === 0) continue;
        const { view } = await writing.observe(own);
        if (view.absent !== undefined || view.weight === null) return null;
        if (view.weight === weight || !mayReplace.includes(view.weight)) return view.weight;
        if (isTold) throw notTaken(target, percent);
      }
    });
  } finally {
    announced.end();
  }
}

/** The smallest percent that HAProxy makes this weight of. @throws LastcallError `config` where there is none */
function percentFor(target: string, weight: number, configured: number | null): number {
  const percent = configured === null ? 0 : Math.ceil((100 * weight) / configured);
  if (configured !== null && Math.floor((configured * percent) / 100) === weight) return percent;
  const of =
    configured === null ? 'its configured weight, which is not known' : `its configured ${configured}`;
  throw new LastcallError('config', `${target}: weight ${weight} is no whole percent of ${of}`, {
    target,
    next: 'agent-check says percents only: give the server that weight in the configuration of HAProxy, or leave out return.warmUp',
  });
}

function notTaken(target: string, percent: number): LastcallError {
  return new LastcallError('config', `${target}: HAProxy does not take ${percent}% by its agent-check`, {
    target,
    next: 'let the backend balance by roundrobin, leastconn, random or `hash-type consistent`, or leave out return.warmUp',
  });
}
