import type { ServerResponse } from 'node:http';
import type { Service } from '../engine/service.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { type ControlEvent, KEEP_ALIVE_MS } from './protocol.ts';
import type { ControlReply } from './http-client.ts';

/** Server-sent events (WHATWG HTML, 9.2), both ends: only `event:`, `data:` and comment lines are used. */

/** A reader so slow that this much waits in memory is disconnected; it may connect again. */
const MAX_WAITING_BYTES = 256 * 1024;
/** No event is longer; a peer that sends more is not a sidecar. */
const MAX_EVENT_CHARACTERS = 4 * 1024 * 1024;
/** A stream that is silent for three keep-alives is dead. */
const SILENCE_MS = 3 * KEEP_ALIVE_MS;

/**
 * Sends the status at once, then every change and every result, until the reader leaves or is too slow.
 * @returns what ends the stream from our side
 */
export function sendEvents(response: ServerResponse, service: Service, clock: Clock): () => void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const send = (text: string): void => {
    if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
    else response.write(text);
  };
  const event = ({ event: name, data }: ControlEvent): void =>
    send(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  const unwatch = service.watch({
    status: (data) => event({ event: 'status', data }),
    result: (data) => event({ event: 'result', data }),
  });
  let cancel = (): void => undefined;
  const keepAlive = (): void => {
    send(': still here\n\n');
    cancel = clock.after(KEEP_ALIVE_MS, keepAlive);
  };
  cancel = clock.after(KEEP_ALIVE_MS, keepAlive);
  // From the end on nothing may be written any more, and the close may come much later.
  const leave = (): void => {
    unwatch();
    cancel();
  };
  response.once('close', leave);
  event({ event: 'status', data: service.status() });
  return () => {
    leave();
    response.end();
  };
}

/**
 * Reads the events of an answer. Ends when the stream ends.
 * @throws LastcallError `agent-unreachable` when it is silent for too long or no stream of events; the system's error
 *   when it breaks
 */
export async function* readEvents(
  { body, end }: ControlReply,
  clock: Clock,
): AsyncGenerator<ControlEvent, void> {
  let text = '';
  const overdue = (): void =>
    end(new LastcallError('agent-unreachable', 'the sidecar has fallen silent', { elapsedMs: SILENCE_MS }));
  let cancel = clock.after(SILENCE_MS, overdue);
  try {
    for await (const piece of body) {
      cancel();
      cancel = clock.after(SILENCE_MS, overdue);
      text += piece;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      if (text.length > MAX_EVENT_CHARACTERS) throw noEvents('an event is too long');
      for (const block of blocks) yield* readBlock(block);
    }
  } finally {
    cancel();
  }
}

function* readBlock(block: string): Generator<ControlEvent, void> {
  const [, event, data] = /^event: (status|result)\ndata: (.*)$/s.exec(block) ?? [];
  if (event === undefined || data === undefined) return;
  try {
    yield { event, data: JSON.parse(data) } as ControlEvent;
  } catch (error) {
    throw noEvents('an event is not JSON', error);
  }
}

function noEvents(problem: string, cause?: unknown): LastcallError {
  return new LastcallError('agent-unreachable', `the program that answers is no sidecar: ${problem}`, {
    cause,
  });
}
