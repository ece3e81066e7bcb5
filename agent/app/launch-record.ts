import type { Proof } from '../lifecycle/model/observation.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import { leaderWith } from '../system/process.ts';
import { randomId } from '../system/random-id.ts';

/**
 * Which process the child is, on disk. A sidecar may be killed between the start of its child and the record that
 * names it; the next one would start a second application beside the first. So a number is written down before the
 * process begins, and the process carries it in its environment.
 */
export interface LaunchRecord {
  /** Writes down that a process is about to begin; what its environment must hold. */
  begin(): Promise<Readonly<Record<string, string>>>;
  /** Writes down which process it is. */
  complete(proof: Proof): Promise<void>;
  /**
   * The process that was launched last, which may be gone by now; null when none was launched, or its number is not
   * in use.
   */
  find(): Promise<Proof | null>;
}

/** One note on disk; `journal/` has the real one. */
export interface NoteFile {
  /** @throws LastcallError `state-write` when it cannot be read, or not in time */
  load(): Promise<unknown>;
  save(note: object): Promise<void>;
}

interface Note {
  /** The boot of the machine; no process outlives it. */
  readonly boot: string;
  readonly id: string;
  /** Null from before the start until it is known. */
  readonly proof: Proof | null;
}

const LAUNCH_ENV = 'LASTCALL_LAUNCH';
/** A disk that hangs delays the application by no more than this. */
const PATIENCE_MS = 2_000;

export interface LaunchPorts {
  readonly clock: Clock;
  readonly bootId: string;
  /** Called when a note cannot be written: the application is started all the same. */
  readonly onWarning: (text: string) => void;
}

/** @param noteFile kept for the one child of this node */
export function createLaunchRecord(
  noteFile: NoteFile,
  { clock, bootId, onWarning }: LaunchPorts,
): LaunchRecord {
  let id = '';
  const write = async (proof: Proof | null): Promise<void> => {
    const note: Note = { boot: bootId, id, proof };
    const late = (): LastcallError =>
      new LastcallError('state-write', `the disk has not answered for ${PATIENCE_MS} ms`);
    try {
      await withDeadline(clock, PATIENCE_MS, new AbortController().signal, late, () => noteFile.save(note));
    } catch (error) {
      onWarning(
        `should lastcall be killed now, the next one may start a second application: ${messageOf(error)}`,
      );
    }
  };
  return {
    async begin() {
      id = randomId();
      await write(null);
      return { [LAUNCH_ENV]: id };
    },
    complete: write,
    async find() {
      const note = (await noteFile.load()) as Note | null;
      if (note?.boot !== bootId) return null;
      // A known process is not searched for by its mark: a helper that outlives it carries the number too.
      return note.proof ?? leaderWith(LAUNCH_ENV, note.id);
    },
  };
}
