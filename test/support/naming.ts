import type { NamingPorts } from '../../agent/app/named-process.ts';
import { createPidFileRecords } from '../../agent/app/pid-file-record.ts';
import type { Clock } from '../../agent/system/clock.ts';
import { bootId } from '../../agent/system/process.ts';

/**
 * How a process is identified where no sidecar has seen its pid file before, and no port of the application is
 * known.
 */
export function naming(clock: Clock): NamingPorts {
  return { clock, pidFiles: createPidFileRecords(bootId()), appPorts: async () => [] };
}
