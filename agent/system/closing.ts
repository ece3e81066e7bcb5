/** Registers what has to be closed at the end, also after an error. */
export type AtTheEnd = (close: () => unknown) => void;

/**
 * Runs `work`, then closes all that it has registered, the last one first. One that cannot be closed keeps none of the
 * others open.
 * @returns what `work` answers
 * @throws the error of `work`; where it has none, that of the first one that could not be closed
 */
export async function withClosing<T>(work: (atTheEnd: AtTheEnd) => Promise<T>): Promise<T> {
  const closings: (() => unknown)[] = [];
  const end = await outcomeOf(() => work((close) => void closings.push(close)));
  const closed: Outcome<unknown>[] = [];
  for (const close of closings.toReversed()) closed.push(await outcomeOf(async () => await close()));
  for (const one of [end, ...closed]) if (!one.ok) throw one.error;
  return (end as Extract<Outcome<T>, { ok: true }>).value;
}

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

async function outcomeOf<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, error };
  }
}
