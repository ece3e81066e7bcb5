import type { Socket } from 'node:net';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';

/** How long HAProxy may send nothing before it is taken for frozen. */
const SILENCE_MS = 30_000;
/** A peer that sends for longer, or more, is no HAProxy: 200,000 servers have 16 MiB. */
const LONGEST_MS = 60_000;
const MOST_BYTES = 16 * 1024 * 1024;
/** How long the rest of an answer keeps this process from ending: usually it takes a few milliseconds. */
const PROCESS_WAITS_MS = 1_000;
/** Of the ten connections of a HAProxy (`stats maxconn`), two are left for other questions. */
const MOST_OWED = 8;

/** How many connections are being read to their end, by target. */
const owed = new Map<string, number>();

/**
 * Lets go of a connection on which HAProxy may still be writing the answer to a command that must not be cut short
 * (BEHAVIOUR.md#cut-answers): it is read to its end, and not listened to. A peer that does not come to an end is cut.
 * @param quit the line that ends an interactive connection: on others HAProxy closes after the answer
 */
export function releaseAfterAnswer(socket: Socket, target: string, clock: Clock, quit?: string): void {
  // Before the connection is made nothing has been sent.
  if (socket.connecting || socket.destroyed) return void socket.destroy();
  owed.set(target, (owed.get(target) ?? 0) + 1);
  const cancel = clock.after(PROCESS_WAITS_MS, () => socket.unref());
  const until = clock.now() + LONGEST_MS;
  const mostRead = socket.bytesRead + MOST_BYTES;
  socket.removeAllListeners('data');
  // Checked with each piece and not by a timer, which would keep the process alive; a silent peer is cut by `SILENCE_MS`.
  socket.on('data', () => {
    if (socket.bytesRead > mostRead || clock.now() >= until) socket.destroy();
  });
  // An answer that breaks off has ended, too.
  socket.on('error', () => socket.destroy());
  socket.once('end', () => socket.destroy());
  socket.once('close', () => {
    cancel();
    settled(target);
  });
  socket.setTimeout(SILENCE_MS, () => socket.destroy());
  if (quit !== undefined) socket.write(`${quit}\n`);
  socket.resume();
}

function settled(target: string): void {
  const left = (owed.get(target) ?? 0) - 1;
  if (left > 0) owed.set(target, left);
  else owed.delete(target);
}

/**
 * Refuses to ask for one more answer that must not be cut while many are still to come: to cut the oldest instead may be
 * the end of a HAProxy that is only frozen.
 * @throws LastcallError `balancer-unreachable`; nothing was sent
 */
export function throwIfOwed(target: string): void {
  if ((owed.get(target) ?? 0) < MOST_OWED) return;
  throw new LastcallError(
    'balancer-unreachable',
    `${target}: it has not ended ${MOST_OWED} earlier answers`,
    {
      target,
      elapsedMs: 0,
      next: 'see whether HAProxy is frozen or overloaded; it is asked again once an answer has ended',
    },
  );
}
