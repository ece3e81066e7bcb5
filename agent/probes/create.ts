import type { ProbeConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { createCommandProbe } from './command.ts';
import { createHttpProbe } from './http.ts';
import type { Probe } from './probe.ts';
import { createTcpProbe } from './tcp.ts';

/**
 * The probe of the configuration.
 * @param ports `onWarning` is called with what an operator should change, once
 * @throws LastcallError `config` for an invalid URL
 */
export function createProbe(
  { how, timeoutMs }: ProbeConfig,
  ports: { clock: Clock; onWarning: (text: string) => void },
): Probe {
  switch (how.kind) {
    case 'http':
      return createHttpProbe(how, timeoutMs, ports);
    case 'tcp':
      return createTcpProbe(how, timeoutMs, ports);
    case 'command':
      return createCommandProbe(how, timeoutMs, ports);
    default:
      return how satisfies never;
  }
}
