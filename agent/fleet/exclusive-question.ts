import { resolve } from 'node:path';
import { type Clock, withDeadline } from '../system/clock.ts';
import { isLastcallError, LastcallError, messageOf } from '../system/error.ts';
import { createMutex, type Mutex } from '../system/mutex.ts';
import type { EntryOwner } from './file-document.ts';
import { cureOf } from './file-cures.ts';

/** One question to the lock by a file, from when it is asked to its real end. */
export interface FileQuestion {
  /** Monotonic milliseconds when it was asked. */
  readonly begun: number;
  /**
   * To be called right before a change: a change that was reported to its caller as failed must not happen later.
   * @throws LastcallError `locked` after the deadline; the signal's reason
   */
  stillAsked(): void;
}

/** Identifies a lock, for its errors and for the order of its questions. */
export interface LockIdentity {
  readonly name: string;
  readonly path: string;
  readonly owner: EntryOwner;
  readonly clock: Clock;
}

/** The time for one question, in milliseconds: far above that of a local disk. */
const ASK_MS = 2_000;

/**
 * By directory and owner, and not by lock: a reload of the configuration makes a new lock while the old one may have a
 * change under way. As many as the configuration has named since the start.
 */
const orders = new Map<string, Mutex>();

/**
 * Asks one question after the other: each begins when the one before has really ended, and not when its caller was
 * answered. A disk that hangs may end a link(2) after the deadline, and the next question has to see what that did.
 * @throws LastcallError `locked`; the signal's reason
 */
export async function askExclusively<T>(
  lock: LockIdentity,
  signal: AbortSignal,
  work: (question: FileQuestion) => Promise<T>,
): Promise<T> {
  const { name, path, clock } = lock;
  const begun = clock.now();
  const failed = (why: string, cause?: unknown): LastcallError =>
    new LastcallError('locked', `${name} cannot be asked: ${why}`, {
      target: path,
      elapsedMs: clock.now() - begun,
      next: cureOf(cause),
      cause,
    });
  const late = (): LastcallError => failed(`no answer within ${ASK_MS} ms`);
  const question = (own: AbortSignal): FileQuestion => ({
    begun,
    stillAsked() {
      own.throwIfAborted();
      // A process that was stopped (SIGSTOP) continues with work that has ended meanwhile before its timers fire.
      if (clock.now() - begun > ASK_MS) throw late();
    },
  });
  try {
    return await withDeadline(clock, ASK_MS, signal, late, (own) =>
      orderOf(lock).runExclusive(own, () => work(question(own))),
    );
  } catch (error) {
    if (signal.aborted || isLastcallError(error)) throw error;
    throw failed(messageOf(error), error);
  }
}

function orderOf({ path, owner }: LockIdentity): Mutex {
  const key = [owner.pid, owner.startTime, resolve(path)].join(' ');
  const order = orders.get(key) ?? createMutex();
  orders.set(key, order);
  return order;
}
