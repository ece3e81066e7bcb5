import type { Request } from './api.ts';
import type { Candidate, Operation } from './operation.ts';
import type { StateRecord } from './record.ts';

/** What waits for the disk. */

/** A request whose record is on its way to the disk. */
export type Pending =
  /** It becomes an operation, or a part of one, when the disk holds the record that it will have then. */
  | {
      readonly kind: 'install';
      readonly request: Request;
      readonly at: number;
      readonly candidate: Candidate;
      readonly op: Operation;
      /** The record that was sent to the disk last; null = none yet. */
      readonly record: StateRecord | null;
    }
  /** It joins, or undoes, what is under way; accepted when that is on disk. */
  | {
      readonly kind: 'join';
      readonly request: Request;
      readonly at: number;
      /** Under which id its result will be found. */
      readonly ticket: string;
      /** The save that carries it. */
      readonly save: number;
    };
