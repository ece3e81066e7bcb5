import type { ControlEvent } from '../control/protocol.ts';
import { toRequest } from '../control/parse-request.ts';
import type { Service } from '../engine/service.ts';
import type { Desk } from './wait-for-result.ts';

/** The engine of this process in the place of a sidecar. */
export function createDirectDesk(service: Service): Desk {
  return {
    submit: async (words, signal) => {
      signal.throwIfAborted();
      const { randomUUID } = await import('node:crypto');
      return untilAborted(service.submit(toRequest(words, randomUUID())), signal);
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
