import type { GoneConfig } from '../../agent/config/config.ts';
import { createStopper } from '../../agent/app/create.ts';
import type { RunningStopRecord } from '../../agent/app/running-stop-record.ts';
import type { Stopper } from '../../agent/app/contracts.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { naming } from './naming.ts';

/** Applications that a command stops. */

export const searchPath = '/usr/bin:/bin';

export const withGone = (
  command: readonly string[],
  gone: GoneConfig,
  changes: { readonly clock?: Clock; readonly idempotent?: boolean; readonly stops?: RunningStopRecord } = {},
): Stopper => {
  const { clock = realClock, idempotent = false, stops } = changes;
  const ports = { ...naming(clock), searchPath, ...(stops ? { stops } : {}) };
  return createStopper({ kind: 'command', command, timeoutMs: 30_000, gone, idempotent }, ports);
};
