import type { Effect } from '../lifecycle/model/effect.ts';
import { errorText } from '../system/error-text.ts';
import type { Ports } from './ports.ts';

/** Calls a warn hook and answers with its event. Never throws: a failure is an event too. */
export async function sendWarning(
  { warners }: Ports,
  { warningIndex, about }: Extract<Effect, { type: 'send-warning' }>,
  signal: AbortSignal,
): Promise<{
  readonly type: 'warning-sent';
  readonly warningIndex: number;
  readonly error: string | null;
}> {
  try {
    await warners[warningIndex]?.warn(about, signal);
    return { type: 'warning-sent', warningIndex, error: null };
  } catch (error) {
    return { type: 'warning-sent', warningIndex, error: errorText(error) };
  }
}
