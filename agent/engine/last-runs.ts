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
  /** Takes what an earlier sidecar has kept. */
  resume(kept: Readonly<Record<string, number>>): void;
}

/** Of a file that was changed again and again only the last entries matter. */
const KEPT = 32;

export function createLastRuns(): LastRuns {
  let all: Readonly<Record<string, number>> = {};
  return {
    of: (entry) => all[entry] ?? null,
    note(entry, at) {
      const others = Object.entries(all).filter(([name]) => name !== entry);
      all = Object.fromEntries([...others, [entry, at] as const].slice(-KEPT));
    },
    get all() {
      return all;
    },
    resume(kept) {
      all = { ...kept };
    },
  };
}
