import type { Socket } from 'node:net';
import type { Clock } from '../system/clock.ts';

/** So long HAProxy may send nothing before it is taken for frozen. */
const SILENCE_MS = 30_000;
/** So long the rest of an answer keeps this process from ending: usually it takes a few milliseconds. */
const PROCESS_WAITS_MS = 1_000;

/**
 * Lets go of a connection on which HAProxy may still be writing the answer to a command that must not be cut short
 * (BEHAVIOUR.md#cut-answers): it is read to its end, and not listened to.
 * @param quit the line that ends an interactive connection: on others HAProxy closes after the answer
 */
export function releaseAfterAnswer(socket: Socket, clock: Clock, quit?: string): void {
  // Before the connection is made nothing has been sent.
  if (socket.connecting || socket.destroyed) return void socket.destroy();
  const cancel = clock.after(PROCESS_WAITS_MS, () => socket.unref());
  socket.removeAllListeners('data');
  // An answer that breaks off has ended, too.
  socket.on('error', () => socket.destroy());
  socket.once('end', () => socket.destroy());
  socket.once('close', cancel);
  socket.setTimeout(SILENCE_MS, () => socket.destroy());
  if (quit !== undefined) socket.write(`${quit}\n`);
  socket.resume();
}
