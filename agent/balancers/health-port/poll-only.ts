import type { HealthPollerConfig } from '../../config/config.ts';
import type { SendState } from '../../haproxy/send-state.ts';
import type { Admin, ServerView } from '../../lifecycle/model/observation.ts';
import { ipAllowlist } from '../../system/ip-allowlist.ts';
import type { Clock } from '../../system/clock.ts';
import type { Balancer } from '../balancer.ts';
import type { HealthSubscription, HealthPoll, HealthServer } from './server.ts';
import { isOut, defaultAnswer, type NodeState, type HealthAnswer } from './answer.ts';
import { createPollOnly } from '../poll-only.ts';
import { REQUIRED_ACKS, createPollerAcks, type MarkedPoller } from '../poller-acks.ts';

/**
 * What HAProxy reports of a server is its state at that time; connections are shown only while the report is
 * recent.
 */
const FRESH_MS = 10_000;
/**
 * Where HAProxy reports DOWN in spite of so many UPs, something else keeps it there: the sign-out is answered all
 * the same.
 */
const UPS = 10;

export interface HealthPorts {
  readonly server: HealthServer;
  readonly clock: Clock;
  readonly node: () => NodeState;
}

/** The memory of one monitor, identified by its address, and by the server's name where HAProxy gives it. */
interface Monitor {
  readonly address: string;
  /** UPs answered since the last DOWN; DRAIN is answered to monitors that have had one, so it counts too. */
  readonly ups: number;
  readonly state: SendState | null;
}

/**
 * A balancer that asks our health port: HAProxy's `option httpchk`, F5, NGINX Plus, a cloud's.
 *
 * It gets DRAIN only after an UP, because a HAProxy that has the server DOWN keeps it there on a 404, and its
 * sticky users go elsewhere (BEHAVIOUR.md#health-checks, haproxy#934); one that asks for the first time during a
 * drain gets UP once. After a restart of the sidecar in the middle of a drain that UP was our predecessor's.
 * Measured on 2.6: a HAProxy that starts, or is reloaded, and gets 404 first goes to NOLB too, and with send-state
 * reports that it may.
 * @throws LastcallError `config` for an invalid address in `from`
 */
export function createHealthBalancer(config: HealthPollerConfig, ports: HealthPorts): Balancer {
  const { clock, node } = ports;
  const acks = createPollerAcks<Monitor>(clock, isVisitor);
  let surveyed = false;
  let inherited = false;
  let begun = false;
  const { balancer, announced } = createPollOnly({
    name: `health/${config.from.join(',')}`,
    asked: 'our health port',
    next: 'look whether its monitor asks listen.health of this node, from an address in `from`',
    acks,
    clock,
    healthy: () => node().health === 'up',
    times: (admin) =>
      Math.max(REQUIRED_ACKS, { drain: REQUIRED_ACKS, maint: config.fall, ready: config.rise }[admin]),
    reported: () => connectionsOf(acks.marked(), clock.now()),
  });

  const answer = (poll: HealthPoll): HealthAnswer | null => {
    const admin = announced();
    if (admin === 'maint') return 'down';
    if (admin === 'drain') return isUp(acks.markOf(nameOf(poll)), poll, inherited) ? 'drain' : 'up';
    // A state is desired of this balancer and is about to be answered, after it is on disk.
    return isOut(node()) && !begun ? null : defaultAnswer(node());
  };
  const covers = ipAllowlist(config.from);
  const subscription: HealthSubscription = {
    covers,
    answer,
    answered(poll, given) {
      const name = nameOf(poll);
      const mark = monitorAfter(acks.markOf(name), poll, given);
      const wanted = announced() ?? 'ready';
      acks.record(name, { carriesState: given === WORDS[wanted], obeys: obeys(mark, wanted), mark });
    },
  };
  ports.server.add(subscription);
  return {
    ...balancer,
    survey(signal) {
      surveyed = true;
      return balancer.survey(signal);
    },
    set(server, admin, mayReplace, signal) {
      // Before an operation every balancer is surveyed: without a survey an earlier sidecar had set the state, and its UP counts.
      inherited = admin !== 'ready' && (inherited || !surveyed);
      begun = true;
      return balancer.set(server, admin, mayReplace, signal);
    },
  };
}

const WORDS = { ready: 'up', drain: 'drain', maint: 'down' } as const satisfies Record<Admin, HealthAnswer>;

/** Names of HAProxy's are shorter; the header that they come from is text of any sender. */
const NAME_CHARS = 600;

/** Several HAProxy servers of one address are several monitors. */
function nameOf({ address, state }: HealthPoll): string {
  if (state === null) return address;
  return `${address} ${state.node} ${state.name}`.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, NAME_CHARS);
}

function monitorAfter(
  before: Monitor | undefined,
  { address, state }: HealthPoll,
  given: HealthAnswer,
): Monitor {
  const ups = before?.ups ?? 0;
  return { address, ups: { up: ups + 1, drain: Math.max(ups, 1), down: 0 }[given], state };
}

/**
 * Where HAProxy sends its state, a request without one from the same address is not HAProxy's: a person's curl, another
 * process. It is answered, and it is no poller.
 */
function isVisitor({ address, state }: Monitor, steady: readonly Monitor[]): boolean {
  return state === null && steady.some((other) => other.state !== null && other.address === address);
}

/**
 * Does this monitor have the server up, so that a sign-out works?
 * @param before the answer to an unknown monitor before our time
 */
function isUp(monitor: Monitor | undefined, { state }: HealthPoll, before: boolean): boolean {
  if (monitor === undefined && before) return true;
  const ups = monitor?.ups ?? 0;
  return state === null ? ups > 0 : state.usable || ups >= UPS;
}

/**
 * Does the monitor follow our answers, as far as it reports? HAProxy reports by send-state; it follows DRAIN by a 404 at once.
 */
function obeys({ ups, state }: Monitor, wanted: Admin): boolean {
  if (state === null || wanted === 'drain') return true;
  return wanted === 'maint' ? !state.usable : state.usable || ups >= UPS;
}

/**
 * The sum, or null: a monitor that does not report is unknown, never zero. One that came once and has gone is left
 * out.
 */
function connectionsOf(
  monitors: readonly MarkedPoller<Monitor>[],
  now: number,
): Pick<ServerView, 'connections' | 'queued'> {
  const isFresh = ({ at }: MarkedPoller<Monitor>): boolean => now - at <= FRESH_MS;
  const states = monitors
    .filter((monitor) => monitor.steady || isFresh(monitor))
    .map((monitor) => (isFresh(monitor) ? monitor.mark.state : null));
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
