import type { Config } from '../config/config.ts';
import type { Service } from '../engine/service.ts';
import { type Audit, openAudit, withAudit } from './audit.ts';
import { createMetricsServer } from './metrics-server.ts';
import { createMetrics, type MetricsPorts } from './metrics.ts';
import type { HttpListener } from '../system/http-listener.ts';
import type { Log } from '../system/log-port.ts';

/** What is told of the node's operations to those who do not ask by the control socket. */
export interface Reports {
  /** The service to be used from now on, so that nothing is missed. */
  readonly service: Service;
  /** @throws LastcallError `config` when `listen.metrics` cannot be listened on */
  listen(): Promise<void>;
  /** Resolves when every record of the audit log is on the disk, or has failed. */
  close(): Promise<void>;
}

/** The metrics and the audit log, where the configuration asks for them. */
export async function openReports(
  { listen, audit: path }: Pick<Config, 'listen' | 'audit'>,
  service: Service,
  ports: MetricsPorts & { readonly log: Log },
): Promise<Reports> {
  const audit: Audit | null = path === null ? null : openAudit(path, ports);
  const audited = audit === null ? service : withAudit(service, audit);
  if (listen.metrics === null) {
    return { service: audited, listen: () => Promise.resolve(), close: async () => audit?.flush() };
  }
  const metrics = await createMetrics(audited, ports);
  const server: HttpListener = createMetricsServer(listen.metrics, metrics, ports);
  return {
    service: metrics.service,
    async listen() {
      await server.listen();
    },
    async close() {
      await server.close();
      await audit?.flush();
    },
  };
}
