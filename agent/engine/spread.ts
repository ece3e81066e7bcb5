/** Shorter pauses belong to an operation, which is not at the same point on two nodes for long. */
const LEAST_MS = 250;
/** The largest share by which a pause is shortened. */
const SHARE = 0.3;

/**
 * Keeps sidecars from asking HAProxy in step, which has ten connections for all of them (`stats maxconn`): those that
 * came to rest at one moment, after a start or a restart of the whole fleet, would fill them every two seconds.
 * @param random from 0 to 1
 * @returns makes a pause of the wanted one, in milliseconds: never longer, and the first one after the pace has slowed
 *   down anywhere within it
 */
export function createSpread(random: () => number): (pauseMs: number) => number {
  let last = 0;
  return (pauseMs) => {
    const hasSlowed = pauseMs > last;
    last = pauseMs;
    if (pauseMs < LEAST_MS) return pauseMs;
    return pauseMs * (hasSlowed ? random() : 1 - SHARE * random());
  };
}
