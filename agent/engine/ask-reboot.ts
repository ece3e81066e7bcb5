import type { Effect } from '../lifecycle/model/effect.ts';
import type { Event } from '../lifecycle/model/event.ts';
import { isLastcallError } from '../system/error.ts';
import { errorText } from '../system/error-text.ts';
import type { Ports } from './ports.ts';

type RebootAnswer =
  | Omit<Extract<Event, { type: 'reboot-asked' }>, 'at'>
  | Omit<Extract<Event, { type: 'reboot-refused' }>, 'at'>;

/** Asks for the reboot of the machine, once. Never throws: a refusal is an event too. */
export async function askReboot(
  { rebooter }: Pick<Ports, 'rebooter'>,
  { id }: Extract<Effect, { type: 'reboot' }>,
  signal: AbortSignal,
): Promise<RebootAnswer> {
  if (!rebooter)
    return { type: 'reboot-refused', id, code: 'failed', error: 'direct mode reboots no machine' };
  try {
    await rebooter.reboot(signal);
    return { type: 'reboot-asked', id };
  } catch (error) {
    const code = isLastcallError(error) ? error.code : 'failed';
    return { type: 'reboot-refused', id, code, error: errorText(error) };
  }
}
