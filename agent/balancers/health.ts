import type { HealthPollerConfig } from '../config/config.ts';
import type { SendState } from '../haproxy/send-state.ts';
import type { Admin, ServerView } from '../lifecycle/view.ts';
import { addressList } from '../system/address-list.ts';
import type { Clock } from '../system/clock.ts';
import type { Balancer } from './balancer.ts';
import type { HealthChannel, HealthPoll, HealthServer } from './health-server.ts';
import { isOut, ownStanding, type NodeState, type Standing } from './health-standing.ts';
import { createPolled } from './polled.ts';
import { TOLD_TWICE } from './tally.ts';

/** A monitor that has been silent for so long is another one when it comes back, as in `createTally`. */
const SEEN_MS = 5 * 60_000;
/** What HAProxy told of a server is what it was then; connections are shown only while that was just now. */
const FRESH_MS = 10_000;
/** Where HAProxy says DOWN in spite of so many UPs, something else keeps it there: the sign-out is said all the same. */
const UPS = 10;

export interface HealthPorts {
  readonly server: HealthServer;
  readonly clock: Clock;
  readonly node: () => NodeState;
}

/** One monitor, told by its address, and by the server's name where HAProxy gives it. */
interface Monitor {
  readonly at: number;
  /** UPs it was told since it last was told DOWN; DRAIN is said to those who have had one, so it counts too. */
  readonly ups: number;
  readonly state: SendState | null;
}

/**
 * A balancer that asks our health port: HAProxy's `option httpchk`, F5, NGINX Plus, a cloud's.
 *
 * It is told DRAIN only after an UP, because a HAProxy that has the server DOWN keeps it there on a 404, and its sticky
 * users go elsewhere (haproxy-facts I, haproxy#934); one that asks for the first time during a drain is told UP once.
 * After a restart of the sidecar in the middle of a drain that UP was our predecessor's. Measured on 2.6: a HAProxy
 * that starts, or is reloaded, and hears 404 first goes to NOLB too, and with send-state says that it may.
 * @throws LastcallError `config` for an address in `from` that is none
 */
export function createHealthBalancer(config: HealthPollerConfig, ports: HealthPorts): Balancer {
  const { clock, node } = ports;
  const monitors = createMonitors(clock);
  let surveyed = false;
  let inherited = false;
  let begun = false;
  const { balancer, tally, word } = createPolled({
    name: `health/${config.from.join(',')}`,
    asked: 'our health port',
    next: 'look whether its monitor asks listen.health of this node, from an address in `from`',
    clock,
    healthy: () => node().health === 'up',
    times: (admin) =>
      Math.max(TOLD_TWICE, { drain: TOLD_TWICE, maint: config.fall, ready: config.rise }[admin]),
    told: () => connectionsOf(monitors.fresh()),
  });

  const standing = (poll: HealthPoll): Standing | null => {
    const admin = word();
    if (admin === 'maint') return 'down';
    if (admin === 'drain') return monitors.isUp(poll, inherited) ? 'drain' : 'up';
    // Something is wanted of this balancer and is about to be said, after it is on disk.
    return isOut(node()) && !begun ? null : ownStanding(node());
  };
  const covers = addressList(config.from);
  const channel: HealthChannel = {
    covers,
    standing,
    answered(poll, said) {
      monitors.note(poll, said);
      const wanted = word() ?? 'ready';
      tally.answered(nameOf(poll), said === WORDS[wanted], monitors.obeys(poll, wanted));
    },
  };
  ports.server.add(channel);
  return {
    ...balancer,
    survey(signal) {
      surveyed = true;
      return balancer.survey(signal);
    },
    set(server, admin, mayReplace, signal) {
      // Before an operation everybody is surveyed: who was not is told what an earlier sidecar had told already.
      inherited = admin !== 'ready' && (inherited || !surveyed);
      begun = true;
      return balancer.set(server, admin, mayReplace, signal);
    },
  };
}

const WORDS = { ready: 'up', drain: 'drain', maint: 'down' } as const satisfies Record<Admin, Standing>;

/** Several HAProxy servers of one address are several monitors. */
function nameOf({ address, state }: HealthPoll): string {
  return state === null ? address : `${address} ${state.node} ${state.name}`;
}

interface Monitors {
  note(poll: HealthPoll, said: Standing): void;
  /** Has it the server up, so that a sign-out works? `before`: what a stranger was told before our time. */
  isUp(poll: HealthPoll, before: boolean): boolean;
  /** Does it do what it was told, as far as it tells? HAProxy does, by send-state; DRAIN by a 404 it does at once. */
  obeys(poll: HealthPoll, wanted: Admin): boolean;
  /** What each has told just now; null for one that has not. */
  fresh(): readonly (SendState | null)[];
}

function createMonitors(clock: Clock): Monitors {
  const known = new Map<string, Monitor>();
  const forget = (): void => {
    for (const [name, { at }] of known) if (clock.now() - at > SEEN_MS) known.delete(name);
  };
  const upsOf = (poll: HealthPoll): number | undefined => {
    forget();
    return known.get(nameOf(poll))?.ups;
  };
  return {
    note(poll, said) {
      const before = upsOf(poll) ?? 0;
      const ups = { up: before + 1, drain: Math.max(before, 1), down: 0 }[said];
      known.set(nameOf(poll), { at: clock.now(), ups, state: poll.state });
    },
    isUp(poll, before) {
      const ups = upsOf(poll);
      if (ups === undefined && before) return true;
      return poll.state === null ? (ups ?? 0) > 0 : poll.state.usable || (ups ?? 0) >= UPS;
    },
    obeys(poll, wanted) {
      if (poll.state === null || wanted === 'drain') return true;
      if (wanted === 'maint') return !poll.state.usable;
      return poll.state.usable || (upsOf(poll) ?? 0) >= UPS;
    },
    fresh() {
      forget();
      return [...known.values()].map(({ at, state }) => (clock.now() - at <= FRESH_MS ? state : null));
    },
  };
}

/** All together, or null: one that does not tell is unknown, never zero. */
function connectionsOf(states: readonly (SendState | null)[]): Pick<ServerView, 'connections' | 'queued'> {
  const sum = (count: (state: SendState) => number | null): number | null =>
    states.reduce<number | null>(
      (total, state) => {
        const more = state === null ? null : count(state);
        return total === null || more === null ? null : total + more;
      },
      states.length === 0 ? null : 0,
    );
  return { connections: sum(({ connections }) => connections), queued: sum(({ queued }) => queued) };
}
