/** How many may be at each port at once: the oldest gives way, so that a flood cannot shut the others out. */
export const CAPS = {
  agentCheck: 256,
  /** The health port, and that of the metrics. */
  http: 256,
  control: 256,
  /** Of those of `control`, so many read the events. */
  events: 64,
  /** Between two servers of one address, at a change of the configuration. */
  waiting: 256,
} as const;

/** Those who are at a port now. */
export interface ConnectionCap<T> {
  /** Lets one in; where there are too many, the oldest has to go. */
  enter(one: T): void;
  leave(one: T): void;
  /** The oldest first. */
  readonly all: ReadonlySet<T>;
}

/**
 * @param cap how many there may be, a name of `CAPS`
 * @param dismiss sends one away
 */
export function createConnectionCap<T>(
  cap: keyof typeof CAPS,
  dismiss: (oldest: T) => void,
): ConnectionCap<T> {
  const all = new Set<T>();
  return {
    all,
    enter(one) {
      all.add(one);
      if (all.size <= CAPS[cap]) return;
      for (const oldest of all) {
        all.delete(oldest);
        return dismiss(oldest);
      }
    },
    leave: (one) => void all.delete(one),
  };
}
