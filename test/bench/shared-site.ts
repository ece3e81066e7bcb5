import { setTimeout as sleep } from 'node:timers/promises';
import { openSite, type Site } from '../support/site.ts';

/** One site for all parts that need no other: opened when the first of them asks. */
export interface SharedSite {
  readonly open: () => Promise<Site>;
  /** Closes it where it is open; the next one who asks gets a new one. Takes no longer than `closingMs`. */
  readonly close: () => Promise<void>;
}

/** @param signal of the whole run */
export function createSharedSite(signal: AbortSignal, closingMs: number): SharedSite {
  let opened: Promise<Site> | null = null;
  return {
    open: () => (opened ??= openSite({}, signal)),
    async close() {
      const site = opened;
      opened = null;
      if (site === null) return;
      // One that could not be opened has broken the parts that asked for it.
      const closed = site.then((one) => one.close()).catch(() => undefined);
      const waiting = new AbortController();
      const late = sleep(closingMs, undefined, { signal: waiting.signal }).catch(() => undefined);
      await Promise.race([closed, late]);
      waiting.abort();
    },
  };
}
