import { stat } from 'node:fs';

/** For disks and names (lookup.ts): of half of them each name that is not found has two at most. A thread at rest costs some 10 KiB. */
const THREADS = 32;

/**
 * Gives this process more threads than Node's four, unless its environment says how many. It has to be called before anything
 * else has work for a thread.
 * @param env the environment of this process; as it was afterwards, since commands get it
 */
export function enlargeThreadPool(env: NodeJS.ProcessEnv): void {
  if (env['UV_THREADPOOL_SIZE'] !== undefined) return;
  env['UV_THREADPOOL_SIZE'] = String(THREADS);
  // libuv reads it when it starts its threads, which is with the first work for one.
  stat('/', () => undefined);
  delete env['UV_THREADPOOL_SIZE'];
}
