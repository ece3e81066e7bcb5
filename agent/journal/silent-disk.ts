import { LastcallError } from '../system/error.ts';

/** The error of a file system that does not answer: the state file can neither be read nor is it refused. */
export function unanswered(path: string, elapsedMs: number): LastcallError {
  return new LastcallError('state-write', 'the state file cannot be read: its file system does not answer', {
    target: path,
    elapsedMs,
    next: 'see whether its disk or NFS server hangs, or set `state` to a place on a local disk',
  });
}
