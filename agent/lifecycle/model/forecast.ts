import type { Holder, Holders } from './observation.ts';

/** The forecast and the open connections, as reported to people. */

/** When the last user is expected to be gone; one of the two is always known. */
export interface Eta {
  /** Extrapolated from the curve; null = not possible (`etaReason` says why), and only the bound is known. */
  readonly seconds: number | null;
  /** By then all users are gone if none sends another request: the longest remaining lifetime in the stick tables. */
  readonly atMost: number | null;
}

/** A part of `status` while the node is going out. */
export interface Forecast {
  readonly eta: Eta | null;
  /** Why `eta.seconds` is null, such as `no sign of falling`. */
  readonly etaReason: string | null;
  /** The users left at moments evenly spaced from the beginning of the outing to now; empty while in service. */
  readonly curve: readonly (number | null)[];
}

export const NO_FORECAST: Forecast = { eta: null, etaReason: null, curve: [] };

/** The open connections of the node, asked of all balancers on demand and never polled. */
export interface HoldersReport {
  /** ISO time of the end of the asking. */
  readonly at: string;
  readonly servers: readonly ServerHolders[];
  /** The oldest first, over all servers. */
  readonly oldest: readonly (Holder & { readonly balancer: string; readonly server: string })[];
}

/** One server at one balancer, over all of its workers; null = unknown, with the reason in `error`. */
export interface ServerHolders {
  readonly balancer: string;
  readonly server: string;
  readonly requests: number | null;
  readonly tunnels: number | null;
  readonly queued: number | null;
  readonly idle: Holders['idle'];
  readonly error: string | null;
}
