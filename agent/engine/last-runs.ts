/**
 * When the last run of each entry of the calendar was that reboots the machine. It outlives the boot: the condition of the
 * entry may still be met afterwards, and a clock that begins behind comes to the same time again.
 */
export interface LastRuns {
  /** @param entry names the entry; @returns milliseconds since 1970; null = none is known */
  of(entry: string): number | null;
  /** Notes a run: it is on disk with the next record, which a reboot needs before it begins. */
  note(entry: string, at: number): void;
  /** All of them, as the disk keeps them. */
  readonly all: Readonly<Record<string, number>>;
  /** Takes what the disk has; a run that was noted since is not on it yet, and stays. */
  resume(kept: Readonly<Record<string, number>>): void;
}

/** How many entries are kept: of a configuration that was changed again and again only the last ones matter. */
const KEPT = 32;

export function createLastRuns(): LastRuns {
  let all: Readonly<Record<string, number>> = {};
  return {
    of: (entry) => all[entry] ?? null,
    note(entry, at) {
      all = merged(all, { [entry]: at });
    },
    get all() {
      return all;
    },
    resume(kept) {
      all = merged(kept, all);
    },
  };
}

/** The newer ones last, of which the oldest are left out. */
function merged(old: LastRuns['all'], newer: LastRuns['all']): LastRuns['all'] {
  const others = Object.entries(old).filter(([name]) => newer[name] === undefined);
  return Object.fromEntries([...others, ...Object.entries(newer)].slice(-KEPT));
}
