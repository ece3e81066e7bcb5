import type { ControlEvent } from '../control/protocol.ts';
import { parseRequest } from '../control/parse-request.ts';
import type { Service } from '../engine/service.ts';
import { randomId } from '../system/random-id.ts';
import type { OperationClient } from './wait-for-result.ts';

/** The engine of this process in the place of a sidecar. */
export function createLocalClient(service: Service): OperationClient {
  return {
    submit: async (body, signal) => {
      signal.throwIfAborted();
      return untilAborted(service.submit(parseRequest(body, randomId())), signal);
    },
    operation: async (id) => {
      const result = service.result(id);
      if (result === undefined) return undefined;
      return result === 'running' ? { state: 'running' } : { state: 'ended', result };
    },
    events: (signal) => events(service, signal),
  };
}

async function* events(service: Service, signal: AbortSignal): AsyncGenerator<ControlEvent, void> {
  const waiting: ControlEvent[] = [{ event: 'status', data: service.status() }];
  let wake = (): void => undefined;
  const push = (event: ControlEvent): void => {
    waiting.push(event);
    wake();
  };
  const unwatch = service.watch({
    status: (data) => push({ event: 'status', data }),
    result: (data) => push({ event: 'result', data }),
  });
  signal.addEventListener('abort', () => wake(), { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    unwatch();
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  return Promise.race([work, aborted]);
}
