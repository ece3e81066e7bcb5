import type { OperationKind, OnTimeout, Result, Status } from '../lifecycle/model/api.ts';
import { LastcallError } from '../system/error.ts';
import { SOCKET_PATH_BYTES } from '../system/limits.ts';

/** The messages of the control socket, as both of its ends see them. */

/** The body of `POST /v1/operations`: the command line's options. Durations are texts such as `5m`. */
export interface RequestBody {
  readonly operation: OperationKind;
  readonly reason?: string;
  readonly timeout?: string;
  readonly onTimeout?: OnTimeout;
  readonly expires?: string;
  readonly force?: boolean;
  readonly fence?: boolean;
  readonly dryRun?: boolean;
  /** drain and stop: the caller ends the application whatever is answered. */
  readonly noRefuse?: boolean;
  /** drain, stop and restart: how long the request waits for a slot of the pool. */
  readonly waitForSlot?: string;
  /** `backend/server`, left out of `unlisted`. */
  readonly ignoreServers?: readonly string[];
  /** `hold` only. */
  readonly holdIn?: 'drain' | 'maint';
  /** The caller, as claimed. */
  readonly by?: string;
}

/** The answer of `GET /v1/operations/ID`. */
export type OperationState =
  { readonly state: 'running' } | { readonly state: 'ended'; readonly result: Result };

/** One event of `GET /v1/events`. */
export type ControlEvent =
  { readonly event: 'status'; readonly data: Status } | { readonly event: 'result'; readonly data: Result };

/** The body of every answer that is an error. */
export interface ApiProblem {
  readonly code: string;
  readonly message: string;
}

/**
 * The interval of keep-alive comments in an event stream, in milliseconds: by them a reader distinguishes a quiet
 * sidecar from a dead one.
 */
export const KEEP_ALIVE_MS = 15_000;

/**
 * Refuses a path that the kernel would cut.
 * @throws LastcallError `config`
 */
export function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > 0 && length <= SOCKET_PATH_BYTES && !path.includes('\0')) return;
  const problem =
    length > SOCKET_PATH_BYTES
      ? `is ${length} bytes long, the limit is ${SOCKET_PATH_BYTES}`
      : 'is not a path';
  throw new LastcallError('config', `the control socket's path ${JSON.stringify(path)} ${problem}`, {
    target: path,
    next: 'set a shorter `listen.control`, such as /run/lastcall/app1.sock',
  });
}
