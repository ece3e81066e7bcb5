import type { Effect } from '../lifecycle/model/effect.ts';
import type { Event } from '../lifecycle/model/event.ts';
import { errorText } from '../system/error-text.ts';
import type { Ports } from './ports.ts';

/** Runs a command of the gate. Never throws: a failure is an event too. */
export async function setGate(
  { gate }: Pick<Ports, 'gate'>,
  { to }: Extract<Effect, { type: 'set-gate' }>,
  signal: AbortSignal,
): Promise<Omit<Extract<Event, { type: 'gate-set' }>, 'at'>> {
  try {
    await gate?.turn(to, signal);
    return { type: 'gate-set', to, error: null };
  } catch (error) {
    return { type: 'gate-set', to, error: errorText(error) };
  }
}
