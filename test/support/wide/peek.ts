import type { OperationKind, OnTimeout } from '../../../agent/lifecycle/model/api.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import { desired } from '../../../agent/lifecycle/model/desired.ts';
import type { Ramp } from '../../../agent/lifecycle/model/ramp.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import { textsOf } from '../../../agent/lifecycle/model/warnings.ts';
import { acceptedBy } from '../world/accepted.ts';

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
    /** When it ends at the latest, unless what was found is still being put back. */
    readonly deadline: number;
    readonly onTimeout: OnTimeout;
    /** It is given up, and what was found is being put back. */
    readonly isGivenUp: boolean;
    readonly tickets: readonly string[];
    readonly warnings: readonly string[];
  } | null;
  /** It goes on without a slot of its pool: a caller who cannot be refused. */
  readonly isOverSlot: boolean;
  /** It keeps its slot in rotation, for a soak. */
  readonly soaks: boolean;
  /** By what it has failed in its soak; null = it has not. */
  readonly soakFailure: string | null;
  /** Ids of requests that were accepted and are not over: parts of the operation, or they wait for a slot or for a hold. */
  readonly accepted: readonly string[];
  /** Ids of requests that wait, or are being checked. */
  readonly waiting: readonly string[];
  /** The disk gets the record of a request that is not installed yet. */
  readonly hasProposal: boolean;
  readonly hold: 'drain' | 'maint' | null;
  /** Users are forced out of this outing, or are being so. */
  readonly isForced: boolean;
  /** Its patience is over: a second signal. */
  readonly isHurried: boolean;
  /** Zero is not enough: MAINT has to follow. */
  readonly wantsFence: boolean;
  readonly restoring: boolean;
  /** The node returns: every server gets what was found, or READY. */
  readonly isGivingBack: boolean;
  readonly alarms: readonly string[];
  /** When a return that was refused, after the drain had expired, is tried again. */
  readonly expiryRetryAt: number;
  /** That the disk does not hold what is under way. */
  readonly hasDiskAlarm: boolean;
  readonly healthIsUp: boolean;
  readonly appGone: boolean;
  /** The way back of the server's weight; null = none is ours. */
  rampOf(balancer: string, server: string): Ramp | null;
  /** The desired state of the server; null = none is written. */
  wants(balancer: string, server: string): Admin | null;
}

/** The states read last: the one before a step, the one after it, and those of writes under way. */
const KEPT = 4;
let kept: { readonly state: State; readonly peek: Peek }[] = [];

/** States are never changed in place, so each is read once as long as it is talked of. */
export function peek(state: State): Peek {
  const known = kept.find((one) => one.state === state);
  if (known) return known.peek;
  const fresh = { state, peek: new Peeked(state) };
  kept = [fresh, ...kept.slice(0, KEPT - 1)];
  return fresh.peek;
}

/** Reads what is asked for, and not before it is asked for: most steps change next to nothing. */
class Peeked implements Peek {
  readonly #state: State;
  #op: Peek['op'] | undefined;

  constructor(state: State) {
    this.#state = state;
  }

  get phase(): State['phase'] {
    return this.#state.phase;
  }

  get op(): Peek['op'] {
    if (this.#op === undefined) this.#op = readOp(this.#state);
    return this.#op;
  }

  get isOverSlot(): boolean {
    return this.#state.slot?.isOver === true;
  }

  get soaks(): boolean {
    return this.#state.slot?.soak != null;
  }

  get soakFailure(): string | null {
    return this.#state.slot?.soak?.failure ?? null;
  }

  get accepted(): readonly string[] {
    return acceptedBy(this.#state);
  }

  get waiting(): readonly string[] {
    const { queue, candidate, pending, waiting } = this.#state;
    if (queue.length === 0 && !candidate && !pending && waiting.length === 0) return [];
    const own = waiting.map(({ request }) => request);
    const all = [...queue, ...own, candidate?.request, pending?.request];
    return [...new Set(all.flatMap((one) => (one ? [one.id] : [])))];
  }

  get hasProposal(): boolean {
    return this.#state.pending?.kind === 'install';
  }

  get hold(): Peek['hold'] {
    return this.#state.hold?.admin ?? null;
  }

  get isForced(): boolean {
    const { outing } = this.#state;
    return outing !== null && (outing.forcedOut || outing.force !== null);
  }

  get isHurried(): boolean {
    return this.#state.forceRequested || this.#state.outing?.force?.now === true;
  }

  get wantsFence(): boolean {
    return this.#state.outing?.fenced !== false;
  }

  get restoring(): boolean {
    return this.#state.outing?.level === 'found';
  }

  get isGivingBack(): boolean {
    return this.restoring || this.#state.outing?.level === 'ready';
  }

  get expiryRetryAt(): number {
    return this.#state.ownRequests.expiry.retryAt;
  }

  get alarms(): readonly string[] {
    return Object.values(this.#state.alarms);
  }

  get hasDiskAlarm(): boolean {
    return this.#state.alarms['disk'] !== undefined;
  }

  get healthIsUp(): boolean {
    return this.#state.health === 'up';
  }

  get appGone(): boolean {
    return this.#state.app.gone;
  }

  readonly rampOf = (balancer: string, server: string): Ramp | null =>
    this.#state.balancers[balancer]?.servers[server]?.ramp ?? null;

  readonly wants = (balancer: string, server: string): Admin | null => {
    const own = this.#state.balancers[balancer]?.servers[server];
    return own ? desired(this.#state, own) : null;
  };
}

function readOp({ op }: State): Peek['op'] {
  return (
    op && {
      id: op.id,
      kind: op.kind,
      by: op.by,
      deadline: op.deadline,
      onTimeout: op.onTimeout,
      isGivenUp: op.outcome !== null,
      tickets: op.tickets.map(({ id }) => id),
      warnings: textsOf(op.warnings),
    }
  );
}
