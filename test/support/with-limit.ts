/**
 * Gives `work` a signal that aborts with `signal`, or after so many milliseconds. In place of `AbortSignal.any` over an
 * `AbortSignal.timeout`: Node 20 forgets the latter at its next garbage collection, and it never fires (seen on 20.20.2).
 */
export async function withLimit<T>(
  signal: AbortSignal,
  ms: number,
  work: (limited: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const limit = new AbortController();
  const pass = (): void => limit.abort(signal.reason);
  signal.addEventListener('abort', pass, { once: true });
  const late = setTimeout(() => limit.abort(new Error(`not over after ${ms / 1000} s`)), ms);
  try {
    return await work(limit.signal);
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', pass);
  }
}
