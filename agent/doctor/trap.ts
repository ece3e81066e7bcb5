import type { Examination } from './examination.ts';
import type { Readout } from './readout.ts';

/** A trap is what makes a drain dishonest or dear before it has begun. Each is one entry of a table (table.ts). */

/**
 * `breaks`: a drain here loses users, never ends, or is refused each time. `costs`: it is honest and has a price. `note`: an
 * operator should know it.
 */
export type Severity = 'breaks' | 'costs' | 'note';

export interface Trap {
  /** Also its anchor in deploy/doctor.md. */
  readonly id: string;
  readonly severity: Severity;
  /** What follows from it, in one sentence without a full stop. */
  readonly consequence: string;
  /** What ends it, in one line without a full stop. */
  readonly fix: string;
  /** The same where flags take the place of a file (`doctor --haproxy`), where it differs. */
  readonly fixByFlag?: string;
  /** Only a file can lead into it: without one it is not looked for. */
  readonly ofFileOnly?: true;
  readonly look: (examined: Examination) => Sighting;
}

/** The outcome of the search for one trap. */
export interface Sighting {
  /** Each place where it is, as text; empty = it is not there, as far as was seen. */
  readonly found: readonly string[];
  /** Why it could not be looked for, or not everywhere. Unknown is never fine. */
  readonly unseen: readonly string[];
}

/** The trap is not here. */
export const CLEAR: Sighting = { found: [], unseen: [] };

export function found(...places: readonly string[]): Sighting {
  return { found: places, unseen: [] };
}

export function unseen(...reasons: readonly string[]): Sighting {
  return { found: [], unseen: reasons };
}

/** Several sightings as one. */
export function together(sightings: readonly Sighting[]): Sighting {
  return {
    found: sightings.flatMap((one) => one.found),
    unseen: [...new Set(sightings.flatMap((one) => one.unseen))],
  };
}

/** What `look` finds in a value that was read; unseen where it was not. */
export function inside<T>(read: Readout<T>, look: (value: T) => Sighting): Sighting {
  return read.ok ? look(read.value) : unseen(read.why);
}
