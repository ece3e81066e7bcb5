import { type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { LaunchPorts, Notebook } from './launch-record.ts';

/** When a version of a pid file was written, as it was taken when a sidecar saw that version first. */
export interface Sighting {
  readonly version: string;
  /** The boot of the machine whose clock `writtenAt` is of; no process outlives it. */
  readonly boot: string;
  /** Milliseconds since boot; null = unknown, because the calendar was set back since. */
  readonly writtenAt: number | null;
}

/** The first sight of the pid file, beside the record: a step of the calendar between two sidecars changes nothing of it. */
export interface Sightings {
  readonly boot: string;
  /** The last one that was kept; null = none. */
  last(): Sighting | null;
  /** At once for this sidecar, and for the next one as soon as the disk has it. */
  keep(sighting: Sighting): void;
}

/** Where there is no disk to keep it on (direct mode): it lasts as long as we do. */
export function createSightings(boot: string): Sightings {
  let last: Sighting | null = null;
  return { boot, last: () => last, keep: (sighting) => void (last = sighting) };
}

/** A disk that hangs keeps the sidecar from nothing for longer. */
const PATIENCE_MS = 2_000;

/**
 * Reads what the sidecar before us has seen. A disk that fails is a warning: the file is then seen first by us.
 * @param notebook kept for the one pid file of this node
 */
export async function openSightings(
  notebook: Notebook,
  { clock, bootId, onWarning }: LaunchPorts,
): Promise<Sightings> {
  const warn = (error: unknown): void =>
    onWarning(`a step of the calendar may make the pid file look older or newer: ${messageOf(error)}`);
  let last = await within(clock, () => notebook.load()).then(sightingIn, (error: unknown) => {
    warn(error);
    return null;
  });
  return {
    boot: bootId,
    last: () => last,
    keep(sighting) {
      last = sighting;
      void within(clock, () => notebook.save(sighting)).catch(warn);
    },
  };
}

function within<T>(clock: Clock, run: () => Promise<T>): Promise<T> {
  const late = (): LastcallError =>
    new LastcallError('state-write', `the disk has not answered for ${PATIENCE_MS} ms`);
  return withDeadline(clock, PATIENCE_MS, new AbortController().signal, late, run);
}

function sightingIn(note: unknown): Sighting | null {
  const { version, boot, writtenAt } = (note ?? {}) as Partial<Sighting>;
  if (typeof version !== 'string' || typeof boot !== 'string') return null;
  return { version, boot, writtenAt: typeof writtenAt === 'number' ? writtenAt : null };
}
