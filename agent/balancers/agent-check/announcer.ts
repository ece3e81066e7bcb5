import type { Admin, ServerView, Worker } from '../../lifecycle/model/observation.ts';
import { withDeadline, type Clock } from '../../system/clock.ts';
import { LastcallError } from '../../system/error.ts';
import type { Caller, Subscription } from './server.ts';
import { forcedOf } from '../../haproxy/server-view.ts';
import { createPollerAcks, type PollerAcks } from '../poller-acks.ts';

/** HAProxy drops an answer after its `agent-inter`; without a poll in that time no state is answered. */
const POLL_MS = 100;

/** A server as its Runtime API shows it, and the worker that did. */
export interface SeenServer {
  readonly view: ServerView;
  readonly worker: Worker | null;
}

/**
 * What agent-check answers to the pollers of one server, and when: only while its state is ours, or about to be. A
 * state is answered until HAProxy itself shows it, and not a number of times: another process that polls from
 * HAProxy's address (a monitor, a second HAProxy, NAT) would use up such a number.
 */
export interface Announcer {
  readonly subscription: Subscription;
  readonly acks: PollerAcks;
  /**
   * Announces `state` while the server is in one of the states of `replaces`; returns a function that restores the
   * previous announcement.
   */
  announce(state: Admin, replaces: readonly Admin[]): () => void;
  /** Stops announcing: the server's state is foreign. */
  stop(): void;
  /**
   * Announces a weight, in place of the one before, while the server has one of `replaces`: until HAProxy shows it, since
   * repeated it would undo an operator's.
   */
  announceWeight(request: WeightAnnouncement): AnnouncedWeight;
  /** Takes in a look at the server. */
  observe(seen: SeenServer): void;
}

export interface WeightAnnouncement {
  readonly weight: number;
  /** The percent of the configured weight that the agent-check answers. */
  readonly percent: number;
  readonly replaces: readonly number[];
}

export interface AnnouncedWeight {
  /** How many answers with it are on their way; another process at HAProxy's address may have got them. */
  readonly sent: number;
  end(): void;
}

export interface AnnouncerOptions {
  readonly id: string | null;
  covers(caller: Caller): boolean;
  /** A look that begins after the call. */
  observe(signal: AbortSignal): Promise<SeenServer>;
  readonly clock: Clock;
}

interface Announcement {
  readonly state: Admin | null;
  /** States that the announcement may replace; none any more once its own state was seen. */
  readonly replaces: readonly Admin[];
  /** The worker that showed the announced state: the same object as long as it is the same one. */
  readonly worker: Worker | null;
}

const NO_ANNOUNCEMENT: Announcement = { state: null, replaces: [], worker: null };

/**
 * The server's state is read before each answer that sets one, and not only now and then: a repeated `drain` turns
 * an operator's MAINT into DRAIN, a repeated `ready` ends it (BEHAVIOUR.md#agent-check-and-operators), within one
 * poll.
 */
export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { id, clock } = options;
  const acks = createPollerAcks(clock);
  let announcement = NO_ANNOUNCEMENT;
  let announcedWeight: (WeightAnnouncement & { sent: number }) | null = null;

  const observe = ({ view, worker }: SeenServer): void => {
    if (forcedOf(view) !== announcement.state) return;
    announcement =
      announcement.state === 'ready' ? NO_ANNOUNCEMENT : { ...announcement, replaces: [], worker };
  };
  const state = async (): Promise<Admin | null> => {
    if (announcement.state === null) return null;
    const seen = await pollSoon(options).catch(() => null); // Without a look it is unknown whose the state is: nothing is announced.
    if (seen === null) return null;
    observe(seen);
    return permitted(announcement, seen);
  };
  const weight = async (): Promise<number | null> => {
    const request = announcedWeight;
    if (request === null) return null;
    const seen = await pollSoon(options).catch(() => null);
    return announcedWeight === request && seen !== null && mayWeigh(request, seen) ? request.percent : null;
  };
  return {
    acks,
    subscription: {
      id,
      covers: (caller) => options.covers(caller),
      state,
      weight,
      answered(address, admin, percent) {
        if (announcedWeight !== null && percent === announcedWeight.percent) announcedWeight.sent += 1;
        acks.record(address, { carriesState: admin !== null && admin === announcement.state, mark: null });
      },
    },
    announce(next, replaces) {
      const before = announcement;
      acks.reset();
      announcement = { state: next, replaces, worker: null };
      return () => {
        announcement = before;
      };
    },
    stop: () => {
      announcement = NO_ANNOUNCEMENT;
    },
    announceWeight(request) {
      const own = { ...request, sent: 0 };
      announcedWeight = own;
      return {
        get sent() {
          return own.sent;
        },
        end: () => void (announcedWeight = announcedWeight === own ? null : announcedWeight),
      };
    },
    observe,
  };
}

function mayWeigh({ weight, replaces }: WeightAnnouncement, { view }: SeenServer): boolean {
  if (view.absent !== undefined || view.weight === null) return false;
  return view.weight !== weight && replaces.includes(view.weight);
}

/** The state that may be answered while the server is as seen, or null. */
function permitted(
  { state, replaces, worker: knew }: Announcement,
  { view, worker }: SeenServer,
): Admin | null {
  if (view.absent !== undefined) return null;
  const forced = forcedOf(view);
  if (forced === state) return view.origin === 'forced' || view.over ? state : null;
  if (replaces.includes(forced)) return state;
  // A new worker has lost it; READY in the worker that had it was set by an operator.
  const forgotten = knew !== null && worker !== null && worker !== knew;
  return forgotten && forced === 'ready' ? state : null;
}

function pollSoon(options: AnnouncerOptions): Promise<SeenServer> {
  const late = (): LastcallError =>
    new LastcallError('balancer-unreachable', 'no answer in time', { elapsedMs: POLL_MS });
  return withDeadline(options.clock, POLL_MS, new AbortController().signal, late, (own) =>
    options.observe(own),
  );
}
