import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';

/**
 * What both oracles mean by a request that was accepted (I3, I8): it is a part of the operation, or waits for a slot or for
 * a hold to be read back.
 */

type Accepting = Pick<State, 'hold' | 'waiting'> & {
  readonly op: { readonly id: string; readonly tickets: readonly { readonly id: string }[] } | null;
};

/** The ids of the requests that the lifecycle has accepted and that are not over. */
export function acceptedBy({ op, hold, waiting }: Accepting): readonly string[] {
  const parts = op === null ? [] : [op, ...op.tickets];
  const waiters = [...waiting.map(({ request }) => request), ...(hold?.askers ?? [])];
  return [...parts, ...waiters].map(({ id }) => id);
}

/** The ids of the requests that a start would go on with. @param text what the disk holds; null = there is no record */
export function acceptedOn(text: string | null): readonly string[] {
  if (text === null) return [];
  const { op, hold, waiting = [] } = JSON.parse(text) as StateRecord;
  return acceptedBy({ op, waiting, hold: hold ? { ...hold, askers: hold.askers ?? [] } : null });
}
