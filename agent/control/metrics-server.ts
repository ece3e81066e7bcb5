import type { ListenConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { createHttpListener, type HttpListener } from '../system/http-listener.ts';
import type { ListenSockets } from '../system/listen-sockets.ts';
import type { Log } from '../system/log-port.ts';
import type { Metrics } from './metrics.ts';

/** Serves `/metrics` on `listen.metrics`. */
export function createMetricsServer(
  { host, port }: ListenConfig,
  metrics: Metrics,
  { clock, log, sockets }: { readonly clock: Clock; readonly log: Log; readonly sockets: ListenSockets },
): HttpListener {
  const failed = (error: unknown): void => log.error('the metrics could not be told', { error });
  return createHttpListener(
    { host, port, allow: [], key: 'listen.metrics' },
    { clock, failed, sockets },
    async ({ path }) =>
      path.split('?')[0] === '/metrics'
        ? { status: 200, type: metrics.contentType, body: await metrics.text() }
        : { status: 404, type: 'text/plain', body: 'see /metrics\n' },
  );
}
