import { isThisMachine, parseAddress } from '../haproxy/address.ts';
import type { BalancerConfig, Config, HaproxyConfig } from './config.ts';
import type { Finding } from './problem.ts';

/** One poller of a balancer, as its address and its `agent-send` distinguish it. */
interface ListedPoller {
  /** Its marks, each of which no other poller may have: two pollers with one mark in common cannot be distinguished. */
  readonly marks: readonly string[];
  /** The path of the value that has to change. */
  readonly path: Finding['path'];
  /** What to write instead. */
  readonly how: string;
}

/**
 * Two pollers that cannot be distinguished: an answer to one would count for the other.
 * @returns each of them but the first, with the path of the value that has to change
 */
export function checkPollers({ balancers }: Pick<Config, 'balancers'>): Finding[] {
  const seen = new Map<string, number>();
  return balancers.flatMap((balancer, index) =>
    pollersOf(balancer).flatMap(({ marks, path, how }): Finding[] => {
      const first = marks.map((mark) => seen.get(mark)).find((place) => place !== undefined);
      for (const mark of marks) if (!seen.has(mark)) seen.set(mark, index);
      const message = `cannot be distinguished from balancers[${first ?? ''}], ${how}`;
      return first === undefined ? [] : [{ path: ['balancers', index, ...path], message, at: 'value' }];
    }),
  );
}

function pollersOf(balancer: BalancerConfig): readonly ListedPoller[] {
  if (balancer.kind === 'haproxy') return balancer.writer === 'agent-check' ? writtenPollers(balancer) : [];
  const { kind, from } = balancer;
  const id = balancer.kind === 'health' ? null : balancer.id;
  const how = kind === 'health' ? 'list each once' : 'give each an id of its own (its agent-send)';
  return from.map((network, place) => ({
    marks: [markOf(kind, network, id)],
    path: [kind, 'from', place],
    how,
  }));
}

/** All that HAProxy's polls have is the address of its Runtime API and, for one of several servers, the server's name. */
function writtenPollers({ address, servers }: HaproxyConfig): readonly ListedPoller[] {
  const parsed = parseAddress(address, 'config');
  const hosts =
    parsed.kind === 'unix' || isThisMachine(parsed) ? ['127.0.0.1', '::1'] : [parsed.host.toLowerCase()];
  const pollerOf = (id: string | null, path: Finding['path']): ListedPoller => ({
    marks: hosts.map((host) => markOf('agentCheck', host, id)),
    path,
    how: 'for the agent-checks of both come from one host: write `writer: runtime` for one of them, or list it as agentCheck with an id of its own (its agent-send)',
  });
  if (servers.length === 1) return [pollerOf(null, ['writer'])];
  // A name that is listed twice is a finding of its own.
  return [...new Set(servers)].map((server) => pollerOf(server, ['servers', servers.indexOf(server)]));
}

function markOf(kind: string, network: string, id: string | null): string {
  return JSON.stringify([kind, network, id]);
}
