import type { Balancer } from '../balancers/balancer.ts';
import type { ProbeConfig } from '../config/config.ts';
import type { LastRuns } from './last-runs.ts';
import type { FleetLock } from '../fleet/lock.ts';
import type { GateKeeper, Warner } from '../hooks/hooks.ts';
import type { Proof } from '../lifecycle/model/observation.ts';
import type { Probe } from '../probes/probe.ts';
import type { Prober } from '../probes/prober.ts';
import type { Source } from '../sessions/source.ts';
import type { Rebooter, Starter, Stopper } from '../app/contracts.ts';
import type { Clock } from '../system/clock.ts';
import type { Log } from '../system/log-port.ts';
import type { Journal } from '../journal/journal.ts';

/** The world as the engine sees it: contracts only, no driver. */
export interface Ports {
  readonly clock: Clock;
  /** From 0 to 1: keeps many sidecars from doing the same at the same moment. */
  readonly random: () => number;
  readonly log: Log;
  readonly balancers: readonly Balancer[];
  readonly sources: readonly Source[];
  readonly stopper: Stopper | null;
  readonly starter: Starter | null;
  /** Reboots the machine; direct mode has none. */
  readonly rebooter: Rebooter | null;
  /** The present process of the application, where the starter can name it (a child of ours); else null. */
  readonly identify: () => Proof | null;
  /** The application's probe with its pace, and what asks it over and over; null without a probe. */
  readonly probing:
    | ({ readonly probe: Probe; readonly prober: Prober } & Pick<
        ProbeConfig,
        'everyMs' | 'timeoutMs' | 'fall'
      >)
    | null;
  /** Makes the application refuse new sessions; null where no gate is configured. */
  readonly gate: GateKeeper | null;
  /** The deadline ladder's hooks, in the policy's order. */
  readonly warners: readonly Warner[];
  /** The lock of the node's pool; null where none is configured. */
  readonly lock: FleetLock | null;
  /** Where intents are kept; direct mode keeps none. */
  readonly journal: Journal;
  /** The last runs of the calendar that rebooted the machine, which are kept beside the record. */
  readonly lastRuns: LastRuns;
  /** Identifies the boot of the machine, since the monotonic clock begins anew with it. */
  readonly bootId: string;
}
