import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';

/**
 * Addresses of a name for a socket, as Node's own look-up (getaddrinfo(3)) gives them. Where the name server does not answer
 * the C library waits for ten seconds and more, in a thread, long after the caller has given up; and Node lets look-ups have
 * half of its threads only. So many callers who ask again and again for one such name would have all of them, and no other
 * name could be looked up, not even `localhost`.
 */

/** Two, so that one lost packet, which the C library waits for, does not delay who asks anew. */
const MOST_OF_A_NAME = 2;

type LookupCallback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

interface LookupUnderWay {
  readonly callers: LookupCallback[];
}

const underWay = new Map<string, LookupUnderWay[]>();

/** A `lookup` for a socket's options. Of one name two look-ups are under way at most; a further caller joins the younger one. */
export function boundedLookup(hostname: string, options: LookupOptions, found: LookupCallback): void {
  const key = JSON.stringify([hostname, options]);
  const all = underWay.get(key) ?? [];
  const youngest = all.at(-1);
  if (youngest !== undefined && all.length >= MOST_OF_A_NAME) return void youngest.callers.push(found);
  const own: LookupUnderWay = { callers: [found] };
  underWay.set(key, [...all, own]);
  lookup(hostname, options, (...answer) => {
    const rest = (underWay.get(key) ?? []).filter((one) => one !== own);
    if (rest.length === 0) underWay.delete(key);
    else underWay.set(key, rest);
    for (const caller of own.callers) caller(...answer);
  });
}

/**
 * All addresses of a name, in the order in which they are to be tried.
 * @throws the system's error
 */
export function addressesOf(hostname: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    boundedLookup(hostname, { all: true }, (error, found) => {
      if (error !== null) reject(error);
      else resolve(typeof found === 'string' ? [found] : found.map(({ address }) => address));
    });
  });
}
