import type { ListenConfig } from '../config/config.ts';
import type { Service } from '../engine/service.ts';
import type { ListenSockets } from '../system/listen-sockets.ts';
import type { Log } from '../system/log-port.ts';
import { createMetricsServer } from './metrics-server.ts';
import { createMetrics, type MetricsPorts } from './metrics.ts';

/** The reports of the node's operations outside of the control socket. */
export interface Telemetry {
  /** The service to use from now on, so that no operation is missed. */
  readonly service: Service;
  close(): Promise<void>;
}

/**
 * Answers scrapers, where the configuration asks for it.
 * @returns the service that counts what is done with it
 * @throws LastcallError as `ListenSockets.open`
 */
export async function openTelemetry(
  { metrics: address }: { readonly metrics: ListenConfig | null },
  service: Service,
  ports: MetricsPorts & { readonly log: Log; readonly sockets: ListenSockets },
): Promise<Telemetry> {
  if (address === null) return { service, close: () => Promise.resolve() };
  const metrics = await createMetrics(service, ports);
  const server = createMetricsServer(address, metrics, ports);
  await server.listen();
  return { service: metrics.service, close: () => server.close() };
}
