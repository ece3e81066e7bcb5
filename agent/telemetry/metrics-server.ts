import type { ListenConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { createHttpListener, type HttpListener } from '../system/http-listener.ts';
import type { ListenSockets } from '../system/listen-sockets.ts';
import type { Log } from '../system/log-port.ts';
import type { Metrics } from './metrics.ts';

/** Serves `/metrics` on `listen.metrics`: rendered once a second at most, however many ask. */
export function createMetricsServer(
  { host, port }: ListenConfig,
  metrics: Metrics,
  { clock, log, sockets }: { readonly clock: Clock; readonly log: Log; readonly sockets: ListenSockets },
): HttpListener {
  const text = shared(clock, () => metrics.text());
  const failed = (error: unknown): void => log.error('the metrics could not be rendered', { error });
  return createHttpListener(
    { host, port, allow: [], key: 'listen.metrics' },
    { clock, failed, sockets },
    async ({ path }) =>
      path.split('?')[0] === '/metrics'
        ? { status: 200, type: metrics.contentType, body: await text() }
        : { status: 404, type: 'text/plain', body: 'see /metrics\n' },
  );
}

/** A rendering takes a few milliseconds of the one thread that pollers wait for, too. */
const SHARED_MS = 1_000;

/**
 * One rendering at a time, and its text for all requests within a second of its begin; one that fails is not kept.
 */
function shared(clock: Clock, render: () => Promise<string>): () => Promise<string> {
  let last: { readonly text: Promise<string>; readonly startedAt: number } | null = null;
  return () => {
    if (last === null || clock.now() - last.startedAt >= SHARED_MS) {
      const mine = { text: render(), startedAt: clock.now() };
      last = mine;
      mine.text.catch(() => {
        if (last === mine) last = null;
      });
    }
    return last.text;
  };
}
