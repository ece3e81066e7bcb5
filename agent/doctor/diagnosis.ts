import type { Code } from '../system/error.ts';
import type { Severity } from './trap.ts';

/** The one JSON object of `lastcall doctor --json` (API.md#doctor). */
export interface Diagnosis {
  /** No trap breaks the promise, and a balancer was reached. */
  readonly ok: boolean;
  /** `done`, `failed` or `balancer-unreachable`. */
  readonly code: Code;
  readonly node: string;
  /** The user with whose rights doctor looked. */
  readonly user: string;
  readonly traps: readonly TrapFound[];
  readonly unseen: readonly TrapUnseen[];
  /** How many kinds of trap were looked for. */
  readonly looked: number;
  /** `--live` only. */
  readonly live?: LiveProof;
}

/** What a trial drain has shown. */
export interface LiveProof {
  /** `refuted`: a new user came, an old one was moved, or what was found is not back. */
  readonly result: 'proven' | 'refuted' | 'unproven';
  /** What was seen, a line each. */
  readonly seen: readonly string[];
}

export interface TrapFound {
  readonly id: string;
  readonly severity: Severity;
  readonly found: readonly string[];
  readonly consequence: string;
  readonly fix: string;
  /** Its place in the pages. */
  readonly page: string;
}

/** Traps that could not be looked for, or not everywhere. */
export interface TrapUnseen {
  readonly why: string;
  readonly ids: readonly string[];
}
