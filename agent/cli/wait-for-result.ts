import type { ControlEvent, OperationState, RequestBody } from '../control/protocol.ts';
import type { Submitted } from '../engine/service.ts';
import type { Result, Status } from '../lifecycle/model/api.ts';
import { type Clock, sleep } from '../system/clock.ts';
import { LastcallError, isLastcallError } from '../system/error.ts';

/** Where a request is submitted and its end awaited: the sidecar's client, or the engine in this process. */
export interface OperationClient {
  submit(body: RequestBody, signal: AbortSignal): Promise<Submitted>;
  operation(id: string, signal: AbortSignal): Promise<OperationState | undefined>;
  /** The status at once, then every change and result. */
  events(signal: AbortSignal): AsyncGenerator<ControlEvent, void>;
}

/** Called with the events of the wait. */
export interface ProgressListener {
  accepted(id: string, joined: boolean): void;
  status(status: Status): void;
  /** The sidecar is gone; it is waited for. */
  disconnected(error: LastcallError): void;
  reconnected(): void;
  /** The request was refused or lost, for this reason, and is made again (`--no-refuse`). */
  again(why: string): void;
}

/**
 * How much longer than the operation's own deadline its result is waited for: the ways back, a stop that has to kill,
 * a start that has to warm up come after the deadline of the drain.
 */
export const MARGIN_MS = 2 * 60_000;
const RETRY_FIRST_MS = 100;
const RETRY_LONGEST_MS = 5_000;

/**
 * Submits a request and waits for its result; it listens to the events first, so that no result is missed. A sidecar
 * that goes away is waited for, until the operation's deadline and a margin have passed.
 * @param lostMs such a sidecar is waited for no longer than this; null = no shorter bound
 * @throws LastcallError `interrupted` when it is gone with a reboot that has begun
 * @throws LastcallError `agent-unreachable` | `in-doubt` (came back without knowing of the operation) | the signal's reason
 */
export async function waitForResult(
  client: OperationClient,
  body: RequestBody,
  listener: ProgressListener,
  clock: Clock,
  signal: AbortSignal,
  lostMs: number | null = null,
): Promise<Result> {
  const overdueTimer = createOverdueTimer(clock, signal, body, lostMs);
  const streams: AsyncGenerator<ControlEvent, void>[] = [];
  let last: Status | null = null;
  const onStatus = (status: Status): void => {
    last = status;
    overdueTimer.status(status);
    listener.status(status);
  };
  const listen = async (): Promise<AsyncGenerator<ControlEvent, void>> => {
    const events = client.events(overdueTimer.signal);
    streams.push(events);
    const first = await events.next();
    if (first.done !== true && first.value.event === 'status') onStatus(first.value.data);
    return events;
  };
  try {
    let events = await listen();
    const submitted = await client.submit(body, overdueTimer.signal);
    if (!submitted.accepted) return submitted.result;
    const { id } = submitted;
    overdueTimer.accepted(id);
    listener.accepted(id, submitted.joined);
    for (;;) {
      const end = await nextResult(events, id, onStatus);
      if ('result' in end) return end.result;
      if (isRebootBegun(last)) throw new LastcallError('interrupted', 'the machine is going down');
      listener.disconnected(end.lost);
      overdueTimer.lost(end.lost);
      events = await retry(listen, clock, overdueTimer.signal);
      const state = await stateOf(client, id, clock, overdueTimer.signal);
      if (state.state === 'ended') return state.result;
      overdueTimer.found();
      listener.reconnected();
    }
  } finally {
    overdueTimer.end();
    await Promise.all(streams.map((stream) => stream.return()));
  }
}

/** The machine is about to go down: this command and the sidecar end with it, and the next boot goes on. */
export function isRebootBegun(status: Status | null): boolean {
  return status?.operation?.operation === 'reboot' && status.phase === 'stopped';
}

type Heard = { readonly result: Result } | { readonly lost: LastcallError };

/** Listens until the result comes, or the stream breaks. */
async function nextResult(
  events: AsyncGenerator<ControlEvent, void>,
  id: string,
  onStatus: (status: Status) => void,
): Promise<Heard> {
  try {
    for await (const event of events) {
      if (event.event === 'status') onStatus(event.data);
      else if (event.data.id === id) return { result: event.data };
    }
    return { lost: new LastcallError('agent-unreachable', 'the sidecar has ended') };
  } catch (error) {
    if (isLastcallError(error) && error.code === 'agent-unreachable') return { lost: error };
    throw error;
  }
}

/** Repeats `work` until it succeeds, or the signal aborts. */
async function retry<T>(work: () => Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_LONGEST_MS)) {
    await sleep(clock, pauseMs, signal);
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!isLastcallError(error) || error.code !== 'agent-unreachable') throw error;
    }
  }
}

async function stateOf(
  client: OperationClient,
  id: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<OperationState> {
  const state = await retry(() => client.operation(id, signal), clock, signal);
  if (state !== undefined) return state;
  throw new LastcallError('in-doubt', `the sidecar came back without operation ${id}`, {
    target: id,
    next: 'see the state of the node with `lastcall status`',
  });
}

/** Aborts when the operation is overdue: its own remaining time as last reported, and the margin. */
function createOverdueTimer(clock: Clock, outer: AbortSignal, body: RequestBody, lostMs: number | null) {
  const own = new AbortController();
  const began = clock.now();
  let id: string | undefined;
  let gone: LastcallError | null = null;
  const overdue = (): void => {
    const what = `${body.operation}${id === undefined ? '' : ` ${id}`}`;
    own.abort(
      new LastcallError(
        'agent-unreachable',
        `no result of ${what}: ${gone?.message ?? 'it is long overdue'}`,
        {
          elapsedMs: clock.now() - began,
          next: 'the operation goes on, or resumes when the sidecar is back; ask `lastcall status`',
        },
      ),
    );
  };
  let cancel = clock.after(MARGIN_MS, overdue);
  let found = (): void => undefined;
  return {
    signal: AbortSignal.any([outer, own.signal]),
    accepted(accepted: string): void {
      id = accepted;
    },
    status({ operation }: Status): void {
      if (operation === null) return;
      cancel();
      cancel = clock.after(operation.remaining * 1_000 + MARGIN_MS, overdue);
    },
    lost(error: LastcallError): void {
      gone = error;
      if (lostMs !== null) found = clock.after(lostMs, overdue);
    },
    found(): void {
      gone = null;
      found();
    },
    end() {
      cancel();
      found();
    },
  };
}
