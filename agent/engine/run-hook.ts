import type { Effect } from '../lifecycle/model/effect.ts';
import type { Event } from '../lifecycle/model/event.ts';
import { errorText } from '../system/error-text.ts';
import type { Ports } from './ports.ts';

type HookAnswer<T extends Event['type']> = Omit<Extract<Event, { type: T }>, 'at'>;
type HookEffect<T extends Effect['type']> = Extract<Effect, { type: T }>;

/** Runs a command of the gate. Never throws: a failure is an event too. */
export async function setGate(
  { gate }: Pick<Ports, 'gate'>,
  { to }: HookEffect<'set-gate'>,
  signal: AbortSignal,
): Promise<HookAnswer<'gate-set'>> {
  try {
    await gate?.turn(to, signal);
    return { type: 'gate-set', to, error: null };
  } catch (error) {
    return { type: 'gate-set', to, error: errorText(error) };
  }
}

/** Calls a warn hook. Never throws: a failure is an event too. */
export async function sendWarning(
  { warners }: Pick<Ports, 'warners'>,
  { warningIndex, about }: HookEffect<'send-warning'>,
  signal: AbortSignal,
): Promise<HookAnswer<'warning-sent'>> {
  try {
    await warners[warningIndex]?.warn(about, signal);
    return { type: 'warning-sent', warningIndex, error: null };
  } catch (error) {
    return { type: 'warning-sent', warningIndex, error: errorText(error) };
  }
}
