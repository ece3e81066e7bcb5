import { LastcallError } from '../system/error.ts';
import { nameOf, trackersIn, type BalancerView } from './balancer-view.ts';
import { applicationsIn, isOwnStage, type ServerCandidate } from './candidates.ts';
import type { ListedServer } from '../haproxy/replies/show-all-servers.ts';
import type { ServerName } from '../haproxy/names.ts';

/** The servers of this node, at each HAProxy. */
export interface Choice {
  readonly nodes: readonly NodeAt[];
  /** Those that were found or named, without their trackers. */
  readonly candidates: readonly ServerCandidate[];
  /** Other applications of this machine at these HAProxys, each as its servers. */
  readonly others: readonly (readonly ServerCandidate[])[];
  /** They were named with `--server`, not found. */
  readonly isNamed: boolean;
}

/** This node at one HAProxy. */
export interface NodeAt {
  readonly balancer: BalancerView;
  readonly servers: readonly ListedServer[];
  /** Servers with the address of this node that are in MAINT without a connection, beside others that are not. */
  readonly leftOut: readonly ListedServer[];
}

/** The most servers that an error names. */
const NAMED = 8;

/**
 * Chooses the one application of this machine that HAProxy sends users to, or the one that has the named servers. It
 * never guesses: where several fit, or none does, the error names the candidates.
 * @param named servers as `--server` gave them; none = find the node by its addresses
 * @throws LastcallError `usage` where several applications fit or none does; `no-such-server` for a name that no
 *   HAProxy has, and for a HAProxy that has no server of this node
 */
export function chooseServers(
  views: readonly BalancerView[],
  candidates: readonly ServerCandidate[],
  named: readonly ServerName[],
): Choice {
  const applications = applicationsIn(candidates);
  const isHere = (group: readonly ServerCandidate[]): boolean =>
    group.some(({ place }) => place.kind === 'here');
  const here = applications.filter((group) => isHere(group) && !group.every(isOwnStage));
  const chosen =
    named.length > 0
      ? namedGroups(applications, candidates, named, views)
      : [theOnly(here, candidates, views)];
  const found = chosen.flat();
  const names = new Set(named.map(nameOf));
  const nodes = views.map((balancer) => nodeAt(balancer, found, names));
  const others = here.filter((group) => !chosen.includes(group));
  return { nodes, candidates: found, others, isNamed: named.length > 0 };
}

function namedGroups(
  applications: readonly (readonly ServerCandidate[])[],
  candidates: readonly ServerCandidate[],
  named: readonly ServerName[],
  views: readonly BalancerView[],
): readonly (readonly ServerCandidate[])[] {
  const wanted = named.map(nameOf);
  const missing = wanted.find((name) => candidates.every(({ server }) => nameOf(server) !== name));
  if (missing !== undefined) throw noSuchServer(missing, candidates, views);
  return applications.filter((group) => group.some(({ server }) => wanted.includes(nameOf(server))));
}

function noSuchServer(
  name: string,
  candidates: readonly ServerCandidate[],
  views: readonly BalancerView[],
): LastcallError {
  const targets = views.map(({ target }) => target).join(', ');
  return new LastcallError('no-such-server', `${targets}: there is no server ${name}`, {
    target: name,
    next: candidates.length === 0 ? 'see its configuration' : `name one of ${listed(candidates)}`,
  });
}

function theOnly(
  here: readonly (readonly ServerCandidate[])[],
  candidates: readonly ServerCandidate[],
  views: readonly BalancerView[],
): readonly ServerCandidate[] {
  const [first, ...more] = here;
  if (first !== undefined && more.length === 0) return first;
  const targets = views.map(({ target }) => target).join(', ');
  if (candidates.length === 0)
    throw new LastcallError('no-such-server', `${targets}: HAProxy has no server`, {
      target: targets,
      next: 'see its configuration',
    });
  const fitting = here.flatMap((group) => group[0] ?? []).toSorted((one, other) => rank(one) - rank(other));
  const what =
    first === undefined
      ? 'no server of HAProxy has an address of this machine'
      : `${here.length} applications of this machine are servers of HAProxy`;
  throw new LastcallError('usage', `${targets}: ${what}, so which node this is is not known`, {
    target: targets,
    next: `name it with --server, for example ${listed(first === undefined ? candidates : fitting)}`,
  });
}

/**
 * What an operator should look at in a choice that is right only if the names mean one node: a named server with another
 * address elsewhere, and two addresses that one process answers at.
 */
export function doubtsOf({ candidates, nodes, isNamed }: Choice): readonly string[] {
  const doubts: string[] = [];
  const places = candidates.flatMap(({ place, server }) => {
    if (place.kind === 'unknown') return [];
    return [place.kind === 'here' ? 'this machine' : `${nameOf(server)} at ${place.endpoint.host}`];
  });
  const hosts = new Set(places.map((place) => place.replace(/^.* at /, '')));
  if (isNamed && hosts.size > 1)
    doubts.push(
      `the named servers lead to several addresses (${[...new Set(places)].join(', ')}): all of them have to be this one node`,
    );
  nodes.forEach(({ balancer }, index) => {
    const same = nodes.slice(0, index).find((node) => isSameProcess(node.balancer, balancer));
    if (same !== undefined)
      doubts.push(
        `${same.balancer.target} and ${balancer.target} seem to be one HAProxy (pid ${balancer.info.pid}): list it once`,
      );
  });
  return doubts;
}

function isSameProcess(one: BalancerView, other: BalancerView): boolean {
  return one.isHere && other.isHere && one.info.pid === other.info.pid;
}

/** Those at whose address a process listens come first: they are the likelier ones. */
function rank({ place }: ServerCandidate): number {
  return place.kind === 'here' && place.listener !== null ? 0 : 1;
}

/** @throws LastcallError `no-such-server` where this HAProxy has none of them */
function nodeAt(
  balancer: BalancerView,
  found: readonly ServerCandidate[],
  named: ReadonlySet<string>,
): NodeAt {
  const own = found.filter((one) => one.balancer === balancer).map(({ server }) => server);
  if (own.length === 0)
    throw new LastcallError('no-such-server', `${balancer.target}: this HAProxy has no server of this node`, {
      target: balancer.target,
      next: `name its server there with --server too, or leave this --haproxy out; it has ${shortList(balancer.servers.map(nameOf))}`,
    });
  const isLeftOut = (server: ListedServer): boolean => isShut(server) && !named.has(nameOf(server));
  const serving = own.filter((server) => !isLeftOut(server));
  const servers = serving.length > 0 ? serving : own;
  const listed = [...servers, ...trackersIn(balancer, servers).filter((one) => !own.includes(one))];
  return { balancer, servers: listed, leftOut: serving.length > 0 ? own.filter(isLeftOut) : [] };
}

/** MAINT by a command or the configuration, such as the unused slots of a `server-template`. */
function isShut({ status, connections }: ListedServer): boolean {
  return status === 'MAINT' && connections === 0;
}

function listed(candidates: readonly ServerCandidate[]): string {
  return shortList([...new Set(candidates.map(candidateText))]);
}

function candidateText({ server, place }: ServerCandidate): string {
  const unit = place.kind === 'here' ? place.listener?.processes[0]?.unit?.name : undefined;
  const closed = place.kind === 'here' && place.listener === null ? 'nothing listens there' : undefined;
  const about = [server.address || 'no address', unit ?? closed].filter((text) => text !== undefined);
  return `${nameOf(server)} (${about.join(', ')})`;
}

/** The first of them, and how many more there are. */
export function shortList(texts: readonly string[]): string {
  const more = texts.length > NAMED ? ` and ${texts.length - NAMED} more` : '';
  return `${texts.slice(0, NAMED).join(', ')}${more}`;
}
