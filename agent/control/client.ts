import type { Submitted } from '../engine/service.ts';
import type { Unlocked, UnlockRequest } from '../engine/unlock.ts';
import type { Result, Status } from '../lifecycle/model/api.ts';
import type { HoldersReport } from '../lifecycle/model/forecast.ts';
import type { PoolReport } from '../lifecycle/model/pool-report.ts';
import { PHASES } from '../lifecycle/model/phase.ts';
import type { Clock } from '../system/clock.ts';
import {
  type Code,
  EXIT_CODES,
  LastcallError,
  errnoOf,
  isLastcallError,
  messageOf,
} from '../system/error.ts';
import { readEvents } from './events.ts';
import { type ControlEvent, type OperationState, type RequestBody, checkSocketPath } from './protocol.ts';
import { type ControlReply, type HttpCall, sendHttp } from './http-client.ts';

/**
 * The sidecar as seen from its control socket. Every method throws LastcallError: `agent-unreachable` without an
 * answer in time, `usage` for a malformed request, else the sidecar's own error.
 */
export interface ControlClient {
  readonly path: string;
  status(signal: AbortSignal): Promise<Status>;
  /** The open connections; the sidecar asks its balancers for them. */
  holders(signal: AbortSignal): Promise<HoldersReport>;
  /** Frees the slot of a node that no longer exists, or returns why not. */
  unlock(request: UnlockRequest, signal: AbortSignal): Promise<Unlocked>;
  /** The whole pool; the sidecar asks the lock and its balancers for it. */
  pool(signal: AbortSignal): Promise<PoolReport>;
  submit(body: RequestBody, signal: AbortSignal): Promise<Submitted>;
  /** undefined: unknown, or too long ago. */
  operation(id: string, signal: AbortSignal): Promise<OperationState | undefined>;
  cancel(id: string, signal: AbortSignal): Promise<'cancelling' | 'unknown' | 'too-late'>;
  /** The status at once, then every change and result. Ends when the sidecar ends it. */
  events(signal: AbortSignal): AsyncGenerator<ControlEvent, void>;
}

/** The time for a snapshot, which costs the sidecar no work. */
const ANSWER_MS = 5_000;
/** Before it accepts, the sidecar asks balancers and proves the stop, each within its own deadline. */
const SUBMIT_MS = 60_000;
/** Every balancer is asked, each within its own deadline, while an operator waits. */
const HOLDERS_MS = 15_000;
/** An answer that is longer does not come from a sidecar. */
const MAX_ANSWER_CHARACTERS = 16 * 1024 * 1024;

interface JsonReply {
  readonly status: number;
  readonly body: unknown;
}

/**
 * @param path the control socket
 * @throws LastcallError `config` when the path is too long for a socket
 */
export function createClient(path: string, clock: Clock): ControlClient {
  checkSocketPath(path);
  const ask = (asked: HttpCall, signal: AbortSignal): Promise<JsonReply> =>
    exchange(path, clock, asked, signal);
  const operationPath = (id: string): string => `/v1/operations/${encodeURIComponent(id)}`;
  return {
    path,
    async status(signal) {
      const reply = await ask({ method: 'GET', path: '/v1/status', deadlineMs: ANSWER_MS }, signal);
      return statusOf(expect(reply, [200], path).body, path);
    },
    async holders(signal) {
      const reply = await ask({ method: 'GET', path: '/v1/holders', deadlineMs: HOLDERS_MS }, signal);
      return expect(reply, [200], path).body as HoldersReport;
    },
    async unlock(request, signal) {
      const asked: HttpCall = { method: 'POST', path: '/v1/unlock', body: request, deadlineMs: HOLDERS_MS };
      return expect(await ask(asked, signal), [200, 409], path).body as Unlocked;
    },
    async pool(signal) {
      const reply = await ask({ method: 'GET', path: '/v1/pool', deadlineMs: HOLDERS_MS }, signal);
      return expect(reply, [200], path).body as PoolReport;
    },
    async submit(words, signal) {
      const asked: HttpCall = { method: 'POST', path: '/v1/operations', body: words, deadlineMs: SUBMIT_MS };
      const { status, body } = expect(await ask(asked, signal), [200, 202, 409], path);
      if (status !== 202) return { accepted: false, result: body as Result };
      return { accepted: true, ...(body as { id: string; joined: boolean; joins?: string }) };
    },
    async operation(id, signal) {
      const reply = await ask({ method: 'GET', path: operationPath(id), deadlineMs: ANSWER_MS }, signal);
      const { status, body } = expect(reply, [200, 404], path);
      return status === 404 ? undefined : (body as OperationState);
    },
    async cancel(id, signal) {
      const reply = await ask({ method: 'DELETE', path: operationPath(id), deadlineMs: ANSWER_MS }, signal);
      const { status } = expect(reply, [202, 404, 409], path);
      return status === 202 ? 'cancelling' : status === 404 ? 'unknown' : 'too-late';
    },
    events: (signal) => events(path, clock, signal),
  };
}

async function* events(path: string, clock: Clock, signal: AbortSignal): AsyncGenerator<ControlEvent, void> {
  const began = clock.now();
  try {
    const answer = await sendHttp(
      path,
      clock,
      { method: 'GET', path: '/v1/events', deadlineMs: ANSWER_MS },
      signal,
    );
    if (answer.status !== 200) throw refused({ status: answer.status, body: await read(answer) }, path);
    yield* readEvents(answer, clock);
  } catch (error) {
    throw signal.aborted ? signal.reason : unreachable(error, path, clock.now() - began);
  }
}

/** One request and its whole answer; head and body each have the call's deadline. */
async function exchange(
  path: string,
  clock: Clock,
  asked: HttpCall,
  signal: AbortSignal,
): Promise<JsonReply> {
  const began = clock.now();
  try {
    const answer = await sendHttp(path, clock, asked, signal);
    const late = (): void => answer.end(new LastcallError('agent-unreachable', 'no whole answer in time'));
    const cancel = clock.after(asked.deadlineMs, late);
    try {
      return { status: answer.status, body: await read(answer) };
    } finally {
      cancel();
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : unreachable(error, path, clock.now() - began);
  }
}

async function read({ body }: ControlReply): Promise<unknown> {
  let text = '';
  for await (const piece of body) {
    text += piece;
    if (text.length > MAX_ANSWER_CHARACTERS) {
      throw new LastcallError('agent-unreachable', 'the answer is too long for a sidecar');
    }
  }
  return JSON.parse(text);
}

function expect(reply: JsonReply, statuses: readonly number[], path: string): JsonReply {
  if (statuses.includes(reply.status)) return reply;
  throw refused(reply, path);
}

/** Checked as far as it takes to distinguish a sidecar from another program. */
function statusOf(body: unknown, path: string): Status {
  const { phase, balancers, alarms } = (body ?? {}) as Partial<Record<keyof Status, unknown>>;
  const isOne = typeof phase === 'string' && Object.hasOwn(PHASES, phase);
  if (isOne && Array.isArray(balancers) && Array.isArray(alarms)) return body as Status;
  throw new LastcallError('agent-unreachable', `what answers at ${path} is no sidecar of this version`, {
    target: path,
    next: 'see which process listens at this socket, and name the one of `listen.control` with --socket',
  });
}

/** The sidecar's own message about a call that it refused. */
function refused({ status, body }: JsonReply, path: string): LastcallError {
  const { code, message } = (body ?? {}) as { code?: unknown; message?: unknown };
  const known = typeof code === 'string' && Object.hasOwn(EXIT_CODES, code) ? (code as Code) : 'failed';
  return new LastcallError(known, typeof message === 'string' ? message : `the sidecar answered ${status}`, {
    target: path,
    next: known === 'usage' ? 'see `lastcall --help`' : 'look at the sidecar’s log',
  });
}

const WHY: Readonly<Record<string, { readonly why: string; readonly next: string }>> = {
  ENOENT: {
    why: 'there is no such socket',
    next: 'start the sidecar (lastcall run), or name its socket with --socket',
  },
  ECONNREFUSED: {
    why: 'no process listens there any more',
    next: 'start the sidecar (lastcall run) and try again',
  },
  EACCES: {
    why: 'permission denied',
    next: 'run as a user who may open the socket (root, or the group of `listen.control`)',
  },
};

/** The error for any failure on the way to the sidecar, with the socket and the next step. */
function unreachable(error: unknown, path: string, elapsedMs: number): LastcallError {
  if (isLastcallError(error) && error.code !== 'agent-unreachable') return error;
  const { why, next } = WHY[errnoOf(error) ?? ''] ?? {
    why: messageOf(error),
    next: 'see whether its process runs, and what its log says; `lastcall status --haproxy ADDR` shows the servers without it',
  };
  return new LastcallError('agent-unreachable', `no sidecar answers at ${path}: ${why}`, {
    target: path,
    elapsedMs,
    next,
    cause: error,
  });
}
