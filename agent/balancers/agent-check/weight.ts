import { type Clock, sleep, withDeadline } from '../../system/clock.ts';
import { LastcallError } from '../../system/error.ts';
import type { ServerWeight, WeightRequest } from '../balancer.ts';
import { ACK_TIMEOUT_MS } from '../poller-acks.ts';
import type { AnnouncedWeight, Announcer, SeenServer } from './announcer.ts';

/** HAProxy obeys a line within milliseconds of reading it. */
const READ_BACK_MS = 25;

export interface WeightWriting {
  /** For messages. */
  readonly target: string;
  readonly announcer: Pick<Announcer, 'announceWeight'>;
  readonly clock: Clock;
  /** Both weights, by the Runtime API; null where HAProxy does not have the server. */
  read(signal: AbortSignal): Promise<ServerWeight | null>;
  /** A look at the server, which has its present weight. */
  observe(signal: AbortSignal): Promise<SeenServer>;
  /** Why no answer came to HAProxy in time. */
  readonly late: () => LastcallError;
}

/**
 * Sets the weight of a server by the answers to its agent-check, as `Balancer.setWeight`. HAProxy takes whole percents of the
 * configured weight, cut off (BEHAVIOUR.md#weights): a weight that is none of them, which an operator may have set by the
 * socket, cannot be given back exactly, so nothing is lowered from it.
 * @throws LastcallError `config` where no percent makes the weight, or HAProxy says that it takes none; `failed` where it does
 * not show in time what was answered, which another process at its address may have got
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
  const late = (): LastcallError => (announced.sent === 0 ? writing.late() : notShown(target, percent));
  try {
    return await withDeadline(clock, ACK_TIMEOUT_MS, signal, late, (own) =>
      readBack(writing, announced, { weight, percent, mayReplace }, own),
    );
  } finally {
    announced.end();
  }
}

/** Polls until HAProxy shows the weight, or one that may not be replaced. @throws LastcallError `config` once it refuses */
async function readBack(
  writing: WeightWriting,
  announced: AnnouncedWeight,
  {
    weight,
    percent,
    mayReplace,
  }: Pick<WeightRequest, 'weight' | 'mayReplace'> & { readonly percent: number },
  signal: AbortSignal,
): Promise<number | null> {
  for (let known = 0; ;) {
    await sleep(writing.clock, READ_BACK_MS, signal);
    const { sent } = announced;
    if (sent === 0) continue;
    const { view } = await writing.observe(signal);
    if (view.absent !== undefined || view.weight === null) return null;
    if (view.weight === weight || !mayReplace.includes(view.weight)) return view.weight;
    if (sent === known) continue;
    known = sent;
    if ((await writing.read(signal))?.isRefused) throw notTaken(writing.target, percent);
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

function notShown(target: string, percent: number): LastcallError {
  return new LastcallError(
    'failed',
    `${target}: agent-check answered ${percent}% to a poll from its address, but HAProxy does not show it`,
    {
      target,
      elapsedMs: ACK_TIMEOUT_MS,
      next: 'look at last_agt of this server in `show stat`: another process may have polled in its place, or writes its weight',
    },
  );
}
