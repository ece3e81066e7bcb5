import type { Code } from '../system/error.ts';

/** Why a connection to HAProxy failed, as text. */
export interface ConnectError {
  readonly text: string;
  readonly next: string;
  readonly code?: Code;
  readonly cause?: unknown;
}
