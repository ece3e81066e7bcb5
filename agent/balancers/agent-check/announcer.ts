import type { Admin, ServerView, Worker } from '../../lifecycle/view.ts';
import { withDeadline, type Clock } from '../../system/clock.ts';
import { LastcallError } from '../../system/error.ts';
import type { Caller, Channel } from './server.ts';
import { forcedOf } from '../../haproxy/server-view.ts';
import { createTally, type Tally } from '../poller-acks.ts';

/** HAProxy drops an answer after its `agent-inter`; without a poll in that time no state is answered. */
const LOOK_MS = 100;

/** A server as its Runtime API shows it, and the worker that did. */
export interface Seen {
  readonly view: ServerView;
  readonly worker: Worker | null;
}

/**
 * What agent-check answers to the pollers of one server, and when: only while its state is ours, or about to be. A
 * state is answered until HAProxy itself shows it, and not a number of times: another process that polls from
 * HAProxy's address (a monitor, a second HAProxy, NAT) would use up such a number.
 */
export interface Desk {
  readonly channel: Channel;
  readonly tally: Tally;
  /**
   * Announces `word` while the server is in one of the states in `over`; returns a function that restores the
   * previous announcement.
   */
  say(word: Admin, over: readonly Admin[]): () => void;
  /** Stops announcing: the state is foreign. */
  silence(): void;
  /** Takes note of every look at the server. */
  saw(seen: Seen): void;
}

export interface DeskOptions {
  readonly id: string | null;
  covers(caller: Caller): boolean;
  /** A look that begins after the call. */
  observe(signal: AbortSignal): Promise<Seen>;
  readonly clock: Clock;
}

interface Wish {
  readonly word: Admin | null;
  /** States that the announcement may replace; none any more once its own state was seen. */
  readonly over: readonly Admin[];
  /** The worker that showed the announced state: the same object as long as it is the same one. */
  readonly worker: Worker | null;
}

const SILENT: Wish = { word: null, over: [], worker: null };

/**
 * The server's state is read before each answer that sets one, and not only now and then: a repeated `drain` turns
 * an operator's MAINT into DRAIN, a repeated `ready` ends it (BEHAVIOUR.md#agent-check-and-operators), within one
 * poll.
 */
export function createDesk(options: DeskOptions): Desk {
  const { id, clock } = options;
  const tally = createTally(clock);
  let wish = SILENT;

  const saw = ({ view, worker }: Seen): void => {
    if (forcedOf(view) !== wish.word) return;
    wish = wish.word === 'ready' ? SILENT : { ...wish, over: [], worker };
  };
  const word = async (): Promise<Admin | null> => {
    if (wish.word === null) return null;
    const seen = await soon(options).catch(() => null); // Not known whose the state is: nothing is said.
    if (seen === null) return null;
    saw(seen);
    return permitted(wish, seen);
  };
  return {
    tally,
    channel: {
      id,
      covers: (caller) => options.covers(caller),
      word,
      answered: (address, said) =>
        tally.answered(address, { told: said !== null && said === wish.word, mark: null }),
    },
    say(next, over) {
      const before = wish;
      tally.restart();
      wish = { word: next, over, worker: null };
      return () => {
        wish = before;
      };
    },
    silence: () => {
      wish = SILENT;
    },
    saw,
  };
}

/** The state that may be answered while the server is as seen, or null. */
function permitted({ word, over, worker: knew }: Wish, { view, worker }: Seen): Admin | null {
  if (view.absent !== undefined) return null;
  const forced = forcedOf(view);
  if (forced === word) return view.origin === 'forced' || view.over ? word : null;
  if (over.includes(forced)) return word;
  // A new worker has lost it; READY in the worker that had it was set by an operator.
  const forgotten = knew !== null && worker !== null && worker !== knew;
  return forgotten && forced === 'ready' ? word : null;
}

function soon(options: DeskOptions): Promise<Seen> {
  const late = (): LastcallError =>
    new LastcallError('balancer-unreachable', 'no answer in time', { elapsedMs: LOOK_MS });
  return withDeadline(options.clock, LOOK_MS, new AbortController().signal, late, (own) =>
    options.observe(own),
  );
}
