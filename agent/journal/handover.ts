import type { Journal, LoadedRecord } from './journal.ts';

/** A journal that two readers share, one after the other: what the first has saved is what the second is given. */
export interface Handover extends Journal {
  /** The last save has failed: the file holds something else than was meant for it. */
  readonly isBehind: boolean;
}

/** The second reader is given what the first has read or saved without the disk, which may fail or hang by then. */
export function createHandover(journal: Journal): Handover {
  let held: LoadedRecord | null = null;
  let newest: object | null = null;
  let isBehind = false;
  return {
    get isBehind() {
      return isBehind;
    },
    async load(signal) {
      if (held) return held;
      const loaded = await journal.load(signal);
      held = loaded.kind === 'quarantined' ? { kind: 'none' } : loaded;
      return loaded;
    },
    async save(record) {
      newest = record;
      held = { kind: 'record', record };
      try {
        await journal.save(record);
        if (newest === record) isBehind = false;
      } catch (error) {
        if (newest === record) isBehind = true;
        throw error;
      }
    },
  };
}
