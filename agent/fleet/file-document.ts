import { arrayOf, isNumber, isObject, isString, shaped } from '../lifecycle/recovery/json-guards.ts';
import type { Claim } from '../lifecycle/model/pool.ts';
import { type HolderState, isClaim, isHolderState } from './entry-guards.ts';

/** What the file of a lock holds: the holders and the queue of its pools. */

/** The sidecar that made an entry: a pid means something in one boot and one pid namespace alone. */
export interface EntryOwner {
  readonly boot: string;
  readonly namespace: string;
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTime: string;
}

export interface QueueEntry {
  readonly claim: Claim;
  readonly owner: EntryOwner;
  /** Wall clock, milliseconds: for people only. */
  readonly since: number;
}

export interface SlotEntry extends QueueEntry, HolderState {
  /** Which version of the file has changed this entry last. */
  readonly changed: number;
}

export interface LockDocument {
  readonly holders: readonly SlotEntry[];
  /** The next one first. */
  readonly queue: readonly QueueEntry[];
}

export const EMPTY: LockDocument = { holders: [], queue: [] };

/** Raised when the meaning of an entry changes. */
const SCHEMA = 1;

const isOwner = shaped<EntryOwner>({
  boot: isString,
  namespace: isString,
  pid: isNumber,
  startTime: isString,
});
const queued = { claim: isClaim, owner: isOwner, since: isNumber };
const isQueueEntry = shaped<QueueEntry>(queued);
const isSlotEntry = (value: unknown): value is SlotEntry =>
  isQueueEntry(value) && isHolderState(value) && isObject(value) && isNumber(value['changed']);

export function documentText(document: LockDocument): string {
  return `${JSON.stringify({ schema: SCHEMA, ...document }, null, 1)}\n`;
}

/** @returns null where the text is not what `documentText` writes: nothing in it is believed */
export function readDocument(text: string | null): LockDocument | null {
  if (text === null) return EMPTY;
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value) || value['schema'] !== SCHEMA) return null;
    const { holders, queue } = value;
    return arrayOf(isSlotEntry)(holders) && arrayOf(isQueueEntry)(queue) ? { holders, queue } : null;
  } catch {
    return null; // Not JSON: the caller reports it.
  }
}
