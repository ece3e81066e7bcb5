import type { FleetLock } from '../fleet/lock.ts';
import type { PoolView } from '../lifecycle/model/pool.ts';
import type { LockAsk } from '../lifecycle/model/slot.ts';
import { errorText } from '../system/error-text.ts';
import type { Ports } from './ports.ts';
import type { Event } from '../lifecycle/model/event.ts';

type LockEvent =
  Omit<Extract<Event, { type: 'lock-answered' }>, 'at'> | Omit<Extract<Event, { type: 'lock-failed' }>, 'at'>;

/** Asks the lock of the pool and answers with its event. Never throws: that it is out of reach is an event too. */
export async function askLock(
  { clock, lock }: Pick<Ports, 'clock' | 'lock'>,
  ask: LockAsk,
  signal: AbortSignal,
): Promise<LockEvent> {
  const begun = clock.now();
  const { does, claim } = ask;
  if (lock === null) return { type: 'lock-failed', id: claim.id, begun, error: 'no lock is configured' };
  try {
    return { type: 'lock-answered', does, id: claim.id, view: await answerOf(lock, ask, signal) };
  } catch (error) {
    return { type: 'lock-failed', id: claim.id, begun, error: errorText(error) };
  }
}

function answerOf(lock: FleetLock, ask: LockAsk, signal: AbortSignal): Promise<PoolView> {
  switch (ask.does) {
    case 'take':
      return lock.take(ask.claim, signal);
    case 'look':
      return lock.look(signal);
    case 'give':
      return lock.give(ask.claim, signal);
    case 'mark':
      return lock.mark(ask.claim, ask.state, ask.failure, signal);
    default:
      return ask satisfies never;
  }
}
