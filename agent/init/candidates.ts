import { comparable } from '../balancers/runtime-api/related-servers.ts';
import type { ListedServer } from '../haproxy/replies/show-all-servers.ts';
import { endpointOf, type Endpoint } from '../haproxy/server-keys.ts';
import { isLoopback, isOwnHost } from '../system/own-addresses.ts';
import { nameOf, type BalancerView } from './balancer-view.ts';
import type { PortListener, ListeningProcess, Machine } from './machine.ts';
import { isApplication, programKind } from './program.ts';

/** One server at one HAProxy, and where its address leads to. */
export interface ServerCandidate {
  readonly balancer: BalancerView;
  readonly server: ListedServer;
  readonly place: Place;
}

export type Place =
  /** An address of this machine; listener null = nothing listens there. */
  | { readonly kind: 'here'; readonly endpoint: Endpoint; readonly listener: PortListener | null }
  | { readonly kind: 'elsewhere'; readonly endpoint: Endpoint; readonly key: string }
  /** HAProxy shows no address and port of its own: a unix socket, a name that does not resolve, port 0. */
  | { readonly kind: 'unknown' };

/** The ports of servers that have an address of this machine: the processes of no others are of interest. */
export function portsHere(views: readonly BalancerView[], own: ReadonlySet<string>): ReadonlySet<number> {
  const endpoints = views.flatMap((view) =>
    view.servers.map((server) => endpointHere(view, server, own)).filter((one) => one !== null),
  );
  return new Set(endpoints.map(({ port }) => port));
}

/** Null for a server whose address is no address of this machine. */
function endpointHere(
  { isHere }: BalancerView,
  { address }: ListedServer,
  own: ReadonlySet<string>,
): Endpoint | null {
  const endpoint = plainEndpoint(address);
  if (endpoint === null) return null;
  const isOwn = isLoopback(endpoint.host) ? isHere : isOwnHost(endpoint.host, own);
  return isOwn ? endpoint : null;
}

/** Null where two servers could not be compared by it. */
function plainEndpoint(address: string | undefined): Endpoint | null {
  const endpoint = comparable(address) === null ? null : endpointOf(address);
  if (endpoint === null) return null;
  return { ...endpoint, host: endpoint.host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '') };
}

/** Every server of every HAProxy, with its place. */
export function candidatesOf(views: readonly BalancerView[], machine: Machine): readonly ServerCandidate[] {
  return views.flatMap((balancer) =>
    balancer.servers.map((server) => ({ balancer, server, place: placeOf(balancer, server, machine) })),
  );
}

function placeOf(balancer: BalancerView, server: ListedServer, machine: Machine): Place {
  const here = endpointHere(balancer, server, machine.addresses);
  if (here !== null) return { kind: 'here', endpoint: here, listener: machine.listenersAt(here) };
  const endpoint = plainEndpoint(server.address);
  if (endpoint === null) return { kind: 'unknown' };
  // The loopback of a HAProxy on another machine is another one at each HAProxy.
  const scope = isLoopback(endpoint.host) ? balancer.target : '';
  return { kind: 'elsewhere', endpoint, key: `${scope} ${endpoint.host} ${endpoint.port}` };
}

/**
 * Which servers lead to one application: the same address, a socket that takes connections to both addresses, or one
 * process that listens at both.
 * @returns each application as its servers, in HAProxy's order
 */
export function applicationsIn(
  candidates: readonly ServerCandidate[],
): readonly (readonly ServerCandidate[])[] {
  const groups = new Map<string, Set<ServerCandidate>>();
  for (const candidate of candidates) {
    const keys = keysOf(candidate);
    const joined = new Set([...keys.flatMap((key) => [...(groups.get(key) ?? [])]), candidate]);
    for (const member of joined) for (const key of keysOf(member)) groups.set(key, joined);
  }
  const order = new Map(candidates.map((candidate, at) => [candidate, at]));
  const inOrder = (group: ReadonlySet<ServerCandidate>): readonly ServerCandidate[] =>
    [...group].toSorted((one, other) => (order.get(one) ?? 0) - (order.get(other) ?? 0));
  return [...new Set(groups.values())].map(inOrder);
}

/** Two servers that have one of these in common lead to the same application. */
function keysOf({ balancer, server, place }: ServerCandidate): readonly string[] {
  switch (place.kind) {
    case 'unknown':
      return [`server ${balancer.target} ${nameOf(server)}`];
    case 'elsewhere':
      return [`address ${place.key}`];
    case 'here':
      // Nothing listens: which addresses of this machine lead to one application cannot be seen, so the port decides.
      if (place.listener === null) return [`closed port ${place.endpoint.port}`];
      return [
        ...place.listener.sockets.map((inode) => `socket ${inode}`),
        ...place.listener.processes.flatMap(processKeys),
      ];
  }
}

/**
 * A program that stands in front of several applications joins none of them; nor does a unit, which may be a supervisor
 * of several.
 */
function processKeys(process: ListeningProcess): readonly string[] {
  return isApplication(programKind(process)) ? [`process ${process.pid}`] : [];
}

/** Whether HAProxy itself listens there: a stage of its own configuration, and no application. */
export function isOwnStage({ place }: ServerCandidate): boolean {
  if (place.kind !== 'here' || place.listener === null) return false;
  const { processes } = place.listener;
  return processes.length > 0 && processes.every((process) => programKind(process) === 'haproxy');
}
