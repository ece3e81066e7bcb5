/** Every way an operation or a command can end, with the exit code that scripts rely on (API.md#codes). */
export const EXIT_CODES = {
  done: 0,
  accepted: 0,
  failed: 1,
  cancelled: 1,
  'in-doubt': 1,
  usage: 64,
  'agent-unreachable': 69,
  'balancer-unreachable': 69,
  'app-stop': 70,
  'app-health': 70,
  'state-write': 73,
  guard: 75,
  locked: 75,
  braked: 75,
  busy: 75,
  held: 75,
  uncounted: 75,
  unkeepable: 75,
  unlisted: 75,
  config: 78,
  'no-such-server': 78,
  'not-permitted': 78,
  deadline: 124,
  interrupted: 130,
} as const;

/** A stable code, of the table in API.md#codes. */
export type Code = keyof typeof EXIT_CODES;

/** The details of an error besides its text. */
export interface ErrorDetail {
  /** The target: a balancer, `backend/server`, a file, a URL. */
  target?: string;
  /** How long it took, in milliseconds. */
  elapsedMs?: number;
  /** What to do next, as one imperative sentence without a full stop. */
  next?: string;
  /** True: the same question, asked again a moment later, is likely to be answered. */
  transient?: boolean;
  cause?: unknown;
}

/** The one error class of lastcall: a stable code, a target, the time it took and the next step. */
export class LastcallError extends Error {
  readonly code: Code;
  readonly target: string | undefined;
  readonly elapsedMs: number | undefined;
  readonly next: string | undefined;
  readonly transient: boolean;

  constructor(code: Code, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'LastcallError';
    this.code = code;
    this.target = detail.target;
    this.elapsedMs = detail.elapsedMs;
    this.next = detail.next;
    this.transient = detail.transient ?? false;
  }
}

/**
 * True for our own error. Asks for the name and not for the class: inside jest's realm `instanceof` fails on
 * errors made by Node itself.
 */
export function isLastcallError(error: unknown): error is LastcallError {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    'name' in error &&
    error.name === 'LastcallError'
  );
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return String(error);
}

/** Node's `code` of a system error (`ENOENT`, `ECONNREFUSED`), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
