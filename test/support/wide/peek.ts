import type { OperationKind, OnTimeout } from '../../../agent/lifecycle/operation.ts';
import type { Admin } from '../../../agent/lifecycle/view.ts';
import { desired } from '../../../agent/lifecycle/desired.ts';
import type { State } from '../../../agent/lifecycle/state.ts';

/**
 * All that the oracle reads of the lifecycle's own state. Everything else it judges from outside: events, effects,
 * results, and the world. Who changes the state changes this file, and nothing else here.
 */

export interface Peek {
  readonly phase: State['phase'];
  readonly op: {
    readonly id: string;
    readonly kind: OperationKind;
    readonly by: string;
    readonly onTimeout: OnTimeout;
    /** It is given up, and what was found is being put back. */
    readonly isGivenUp: boolean;
    readonly tickets: readonly string[];
    readonly warnings: readonly string[];
  } | null;
  /** Ids of requests that wait, or are being checked. */
  readonly waiting: readonly string[];
  readonly hold: 'drain' | 'maint' | null;
  /** Users are forced out of this outing, or are being so. */
  readonly isForced: boolean;
  readonly isDraining: boolean;
  readonly restoring: boolean;
  readonly gateAsked: boolean;
  readonly alarms: readonly string[];
  readonly healthIsUp: boolean;
  readonly appGone: boolean;
  /** What is wanted of the server; null = nothing is said. */
  wants(balancer: string, server: string): Admin | null;
}

const OUTWARD: readonly State['phase'][] = ['draining', 'settling', 'fencing', 'drained'];

const seen = new WeakMap<State, Peek>();

/** States are never changed in place, so each is read once. */
export function peek(state: State): Peek {
  const known = seen.get(state) ?? read(state);
  seen.set(state, known);
  return known;
}

function read(state: State): Peek {
  const { phase, op, queue, candidate, pending, hold, outing, gate, alarms } = state;
  const waiting = [...queue, candidate?.request, pending?.request].flatMap((one) => (one ? [one.id] : []));
  return {
    phase,
    op: op && {
      id: op.id,
      kind: op.kind,
      by: op.by,
      onTimeout: op.onTimeout,
      isGivenUp: op.outcome !== null,
      tickets: op.tickets.map(({ id }) => id),
      warnings: op.warnings,
    },
    waiting,
    hold: hold?.admin ?? null,
    isForced: outing !== null && (outing.forcedOut || outing.force !== null),
    isDraining: OUTWARD.includes(phase),
    restoring: outing?.level === 'found',
    gateAsked: gate.asked !== null,
    alarms: Object.values(alarms),
    healthIsUp: state.health === 'up',
    appGone: state.app.gone,
    wants: (balancer, server) => {
      const own = state.balancers[balancer]?.servers[server];
      return own ? desired(state, own) : null;
    },
  };
}
