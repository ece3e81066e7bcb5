import type { ListenConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { createHttpListener, type HttpListener } from '../system/http-listener.ts';
import type { Log } from '../system/log-port.ts';
import type { Metrics } from './metrics.ts';

/** Serves `/metrics` on `listen.metrics`. */
export function createMetricsServer(
  { host, port }: ListenConfig,
  metrics: Metrics,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): HttpListener {
  const failed = (error: unknown): void => log.error('the metrics could not be told', { error });
  return createHttpListener(
    { host, port, allow: [], key: 'listen.metrics' },
    { clock, failed },
    async ({ path }) =>
      path.split('?')[0] === '/metrics'
        ? { status: 200, type: metrics.contentType, body: await metrics.text() }
        : { status: 404, type: 'text/plain', body: 'see /metrics\n' },
  );
}
