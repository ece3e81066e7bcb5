import type { Balancer } from '../balancers/balancer.ts';
import type { HoldersReport, ServerHolders } from '../lifecycle/model/forecast.ts';
import { errorText } from '../system/error-text.ts';
import type { Ports } from './ports.ts';

/** An answer is good for this long, in milliseconds: ten people who watch ask HAProxy no more often than one. */
const GOOD_FOR_MS = 2_000;
/** To answer, HAProxy walks over all of its streams: at most one part in 20 of its time is spent on that. */
const SHARE = 20;
/** A frozen HAProxy takes long to answer without working on the answer. */
const LONGEST_GOOD_MS = 30_000;
/** How many of the longest-lived connections are listed. */
const OLDEST = 10;

/**
 * Asks all balancers for the open connections of the node: on demand, one round at a time, and not again at once. A
 * caller in between gets the answer that is there or under way. A balancer that cannot be asked has the error in
 * its row.
 * @param whyNot why a balancer is known not to answer at present, or null: no caller waits for it
 */
export function createConnectionReport(
  { balancers, clock }: Pick<Ports, 'balancers' | 'clock'>,
  whyNot: (balancer: string) => string | null,
  signal: AbortSignal,
): () => Promise<HoldersReport> {
  let answer: Promise<HoldersReport> | null = null;
  let goodUntil = 0;
  const ask = async (): Promise<HoldersReport> => {
    const began = clock.now();
    const answers = await Promise.all(
      balancers
        .filter(({ counts }) => counts)
        .map(async (balancer) => {
          const error = whyNot(balancer.name);
          return error === null ? connectionsAt(balancer, signal) : unavailable(balancer, error);
        }),
    );
    const ended = clock.now();
    goodUntil = ended + Math.min(LONGEST_GOOD_MS, Math.max(GOOD_FOR_MS, SHARE * (ended - began)));
    const oldest = answers.flatMap((one) => one.oldest);
    return {
      at: clock.wall().toISOString(),
      servers: answers.flatMap(({ servers }) => servers),
      oldest: oldest.toSorted((one, other) => other.ageSeconds - one.ageSeconds).slice(0, OLDEST),
    };
  };
  return () => {
    if (answer === null || clock.now() >= goodUntil) {
      goodUntil = Infinity;
      answer = ask();
    }
    return answer;
  };
}

const UNKNOWN = { requests: null, tunnels: null, queued: null, idle: null } as const;

function unavailable({ name, servers }: Balancer, error: string): BalancerConnections {
  return { servers: servers.map((server) => ({ balancer: name, server, ...UNKNOWN, error })), oldest: [] };
}

type BalancerConnections = Pick<HoldersReport, 'servers' | 'oldest'>;

/** The servers of one balancer, one after the other: HAProxy has few connections for its Runtime API. */
async function connectionsAt(balancer: Balancer, signal: AbortSignal): Promise<BalancerConnections> {
  const servers: ServerHolders[] = [];
  const oldest: BalancerConnections['oldest'][number][] = [];
  for (const server of balancer.servers) {
    const at = { balancer: balancer.name, server };
    try {
      const found = await balancer.holders(server, signal);
      const { requests, tunnels, queued, idle } = found;
      servers.push({ ...at, requests, tunnels, queued, idle, error: null });
      oldest.push(...found.oldest.map((holder) => ({ ...at, ...holder })));
    } catch (error) {
      servers.push({ ...at, ...UNKNOWN, error: errorText(error) });
    }
  }
  return { servers, oldest };
}
