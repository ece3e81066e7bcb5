import type { Admin, ServerView, Worker } from '../../lifecycle/view.ts';
import { withDeadline, type Clock } from '../../system/clock.ts';
import { LastcallError } from '../../system/error.ts';
import type { Caller, Channel } from './server.ts';
import { forcedOf } from '../../haproxy/server-view.ts';
import { createTally, type Tally } from '../poller-acks.ts';

/** HAProxy gives an answer up after its `agent-inter`; without a look in that time no word is said. */
const LOOK_MS = 100;

/** A server as its Runtime API shows it, and the worker that did. */
export interface Seen {
  readonly view: ServerView;
  readonly worker: Worker | null;
}

/**
 * What is said to the pollers of one server, and when: only while its state is ours, or on its way to be. A word is said
 * until HAProxy itself shows it, and not so many times: another process that polls from HAProxy's address (a monitor, a
 * second HAProxy, NAT) would use the times up.
 */
export interface Desk {
  readonly channel: Channel;
  readonly tally: Tally;
  /** Wants the word said over a state in `over`; the answer takes the wish back to what it was. */
  say(word: Admin, over: readonly Admin[]): () => void;
  /** Says no more: the state is somebody else's. */
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
  /** States that the word may replace; none any more once the word's own state was seen. */
  readonly over: readonly Admin[];
  /** The worker that showed the word's own state: the same object as long as it is the same one. */
  readonly worker: Worker | null;
}

const SILENT: Wish = { word: null, over: [], worker: null };

/**
 * The state is looked at before each answer with a word, and not only now and then: a repeated `drain` turns an
 * operator's MAINT into DRAIN, a repeated `ready` ends it (BEHAVIOUR.md#agent-check-and-operators), within one poll.
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

/** The word that may be said while the server is as seen, or null. */
function permitted({ word, over, worker: knew }: Wish, { view, worker }: Seen): Admin | null {
  if (view.absent !== undefined) return null;
  const forced = forcedOf(view);
  if (forced === word) return view.origin === 'forced' || view.over ? word : null;
  if (over.includes(forced)) return word;
  // A new worker has forgotten it; READY in the worker that knew it is somebody's wish.
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
