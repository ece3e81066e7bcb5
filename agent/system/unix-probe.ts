import { connect } from 'node:net';
import type { Clock } from './clock.ts';
import { errnoOf } from './error.ts';

/** How long a socket has to answer before it counts as in use, in milliseconds. */
const PROBE_MS = 1_000;

/**
 * Does a process listen at this unix socket? Only a refusal proves that none does: no answer is a process that is
 * busy.
 * @throws the system's error where it cannot be asked (its directory, its rights)
 */
export function answersAt(path: string, clock: Clock): Promise<boolean> {
  return new Promise((done, fail) => {
    const socket = connect(path);
    const cancel = clock.after(PROBE_MS, () => end(true));
    const end = (answer: boolean): void => {
      cancel();
      socket.destroy();
      done(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', (error) => {
      const errno = errnoOf(error);
      if (errno === 'ECONNREFUSED' || errno === 'ENOENT') return end(false);
      if (errno === 'EAGAIN') return end(true);
      cancel();
      fail(error);
    });
  });
}
