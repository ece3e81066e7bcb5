import type { ProbeConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { createCommandProbe } from './command.ts';
import { createHttpProbe } from './http.ts';
import type { Probe } from './probe.ts';
import { createTcpProbe } from './tcp.ts';

/**
 * The probe that the configuration names.
 * @param ports `onWarning` is told what an operator ought to change, once
 * @throws LastcallError `config` for a URL that is none
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
