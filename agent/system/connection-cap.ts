/** How many connections each port may have at once: the oldest is closed, so that a flood cannot shut others out. */
export const CAPS = {
  agentCheck: 256,
  /** The health port, and that of the metrics. */
  http: 256,
  control: 256,
  /** Of the connections of `control`: how many may read the events. */
  events: 64,
  /** Connections that wait between two servers of one address, at a change of the configuration. */
  waiting: 256,
} as const;

/** The connections of a port. */
export interface ConnectionCap<T> {
  /** Adds a connection; where there are too many, the oldest is dismissed. */
  enter(one: T): void;
  leave(one: T): void;
  /** The oldest first. */
  readonly all: ReadonlySet<T>;
}

/**
 * @param cap the most connections, a name of `CAPS`
 * @param dismiss closes one
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
