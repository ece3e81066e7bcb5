import type { ListedServer } from '../../haproxy/replies/show-all-servers.ts';
import type { ServerName } from '../../haproxy/names.ts';
import type { Addresses, Role } from '../../lifecycle/model/observation.ts';
import type { HostServer, Relative } from '../../lifecycle/model/survey.ts';
import { isLoopback } from '../../system/own-addresses.ts';
import type { SocketLevel } from './survey-facts.ts';

/** The other servers of this application, and those that serve its users: read from the list of all servers. Pure. */

/** One full listing, as far as it concerns the servers of this node. */
export interface Kinship {
  /** Other servers of this application. */
  readonly relatives: readonly Relative[];
  /** Why equal addresses cannot be searched for here; null = addresses are shown. */
  readonly blind: string | null;
  /** Which servers have no address that could be compared. */
  readonly uncompared: readonly string[];
  /** Servers at the hosts of ours, at other ports: any process of that machine may listen there. */
  readonly onOurHost: readonly HostServer[];
}

/** Where the balancer runs, as far as that shows whose machine an address is. */
export interface BalancerPlace {
  /** On this machine: then its loopback is ours, and every address of `own` leads to us. */
  readonly isHere: boolean;
  readonly own: ReadonlySet<string>;
}

const ELSEWHERE: BalancerPlace = { isHere: false, own: new Set() };

/**
 * @param rows of `show stat`, the BACKEND rows too
 * @param listed the servers of this node, by `backend/server`
 * @param level of the socket: below operator it shows no addresses (tried on 2.6.12 and 3.2.26)
 * @param before addresses at which ours have led to this node: a reload may take a row away, and a controller give it
 *   another address, and the application stays where it was
 */
export function kinshipOf(
  rows: readonly ListedServer[],
  listed: ReadonlyMap<string, ServerName>,
  level: SocketLevel,
  before: Addresses,
  place: BalancerPlace = ELSEWHERE,
): Kinship {
  const servers = rows.filter(({ isServer }) => isServer);
  const trackers = trackersOf(servers, listed);
  const known = new Set([...listed.keys(), ...trackers.map(({ name }) => name)]);
  if (level === 'user' || servers.every(({ address }) => address === undefined))
    return { relatives: trackers, blind: HIDDEN, uncompared: [], onOurHost: [] };
  const own = new Map(servers.map((row) => [nameOf(row), row]));
  const addresses = new Map(servers.map((row) => [row, comparable(row.address)]));
  const homes = new Map(
    [...listed.keys()].flatMap((name) => {
      const address = comparable(before[name] ?? own.get(name)?.address);
      return address === null ? [] : [[address, name] as const];
    }),
  );
  const twins = servers.flatMap((row): Relative[] => {
    const of = homes.get(addresses.get(row) ?? '');
    return of === undefined || known.has(nameOf(row)) ? [] : [relative(row, of, 'address')];
  });
  const uncompared = servers.filter((row) => addresses.get(row) === null).map(nameOf);
  const isKin = new Set([...known, ...twins.map(({ name }) => name)]);
  const others = [...addresses].filter(([row]) => !isKin.has(nameOf(row)));
  const onOurHost = onHostsOf(homes, others, place);
  return { relatives: [...trackers, ...twins], blind: null, uncompared, onOurHost };
}

/**
 * A loopback address is of the balancer's machine, and an address that two machines have (those of Docker's bridges) may be
 * another one's: only where the balancer runs here do other addresses than those of ours count.
 * @param homes our servers by their addresses
 */
function onHostsOf(
  homes: ReadonlyMap<string, string>,
  others: readonly (readonly [ListedServer, string | null])[],
  { isHere, own }: BalancerPlace,
): HostServer[] {
  const ours = new Map([...homes].map(([address, name]) => [hostOf(address), name]));
  const [first] = homes.values();
  if (first === undefined) return [];
  return others.flatMap(([row, address]): HostServer[] => {
    if (address === null) return [];
    const host = hostOf(address);
    if (isLoopback(host) && !isHere) return [];
    const of = ours.get(host) ?? (isHere && (isLoopback(host) || own.has(host)) ? first : undefined);
    if (of === undefined) return [];
    const { by: _by, ...known } = relative(row, of, 'address');
    const port = Number(address.slice(host.length + 1));
    return [{ ...known, host, port, servedAt: ours.has(host) ? `port ${port}` : (row.address ?? '') }];
  });
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(' '));
}

const HIDDEN =
  'this socket shows no addresses (they need level operator): other servers with the address of this node are not looked for';

/** Those that follow one of ours, directly or through each other. One that is listed is ours itself. */
function trackersOf(servers: readonly ListedServer[], listed: ReadonlyMap<string, ServerName>): Relative[] {
  const following = new Map<string, ListedServer[]>();
  for (const row of servers) {
    if (row.tracked === undefined || row.tracked === '') continue;
    const others = following.get(row.tracked);
    if (others === undefined) following.set(row.tracked, [row]);
    else others.push(row);
  }
  const found = new Map<string, Relative>();
  const follow = (leader: string, of: string): void => {
    for (const row of following.get(leader) ?? []) {
      const name = nameOf(row);
      if (found.has(name) || listed.has(name)) continue;
      found.set(name, relative(row, of, 'track'));
      follow(name, of);
    }
  };
  for (const name of listed.keys()) follow(name, name);
  return [...found.values()];
}

function relative(row: ListedServer, of: string, by: Relative['by']): Relative {
  const shut = isShut(row) ? { isShut: true } : {};
  return { name: nameOf(row), of, by, role: roleOf(row), usable: isUsable(row), ...shut };
}

/** MAINT without an addition is a command's or the configuration's: `(resolution)` and `(via b/s)` end by themselves. */
function isShut({ status, connections }: ListedServer): boolean {
  return status === 'MAINT' && connections === 0;
}

/**
 * An address and port that two servers can have in common, in one way of writing; null for none, port 0 (the client's
 * own port), `0.0.0.0` (the client's own destination) and a unix socket.
 */
export function comparable(address: string | undefined): string | null {
  const parts = /^\[?(.*?)\]?:(\d+)$/.exec(address ?? '');
  if (parts === null) return null;
  const [, host = '', port = ''] = parts;
  const bare = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  return Number(port) === 0 || bare === '' || bare === '0.0.0.0' || bare === '::' ? null : `${bare} ${port}`;
}

/** How many other servers serve the users of one server, and which of them do not. */
export interface NeighbourServers {
  /** Its own role. */
  readonly role: Role | null;
  readonly usableOthers: number | null;
  readonly standbys: readonly string[];
  readonly missing: readonly string[];
}

/** How many neighbours a message names. */
const MOST_SHOWN = 10;

/**
 * The BACKEND row counts in `act` and `bck` those that take new users (not drained, NOLB, MAINT, DOWN or of weight 0;
 * BEHAVIOUR.md#capacity), ours among them. What goes out with this node is no other: its servers, and those that track them.
 * @param ours names of the servers that go out with this node
 */
export function neighboursOf(
  rows: readonly ListedServer[],
  { backend, server }: ServerName,
  ours: ReadonlySet<string>,
): NeighbourServers {
  const inBackend = rows.filter((row) => row.backend === backend);
  const total = inBackend.find(({ isServer }) => !isServer);
  const own = inBackend.find((row) => row.isServer && row.server === server);
  const servers = inBackend.filter(({ isServer }) => isServer);
  const others = servers.filter((row) => !ours.has(nameOf(row)));
  const left = (role: Role): number | null => {
    const all = (role === 'active' ? total?.active : total?.backup) ?? null;
    const mine = servers.filter((row) => ours.has(nameOf(row)) && roleOf(row) === role && isUsable(row));
    return all === null || all < mine.length ? null : all - mine.length;
  };
  const missing = others
    .filter((row) => !isUsable(row))
    .map((row) => `${nameOf(row)} (${row.weight === 0 ? `${row.status}, weight 0` : row.status})`);
  const shown =
    missing.length > MOST_SHOWN
      ? [...missing.slice(0, MOST_SHOWN), `${missing.length - MOST_SHOWN} more`]
      : missing;
  const standbys = others.filter((row) => roleOf(row) === 'backup' && isUsable(row)).map(nameOf);
  switch (own === undefined ? null : roleOf(own)) {
    case 'active':
      return { role: 'active', usableOthers: left('active'), standbys, missing: shown };
    case 'backup':
      return {
        role: 'backup',
        usableOthers: sum(left('active'), left('backup')),
        standbys: [],
        missing: shown,
      };
    case null:
      return { role: null, usableOthers: null, standbys: [], missing: shown };
  }
}

function sum(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}

/** A server's own row has its role (BEHAVIOUR.md#capacity). */
function roleOf({ active, backup }: ListedServer): Role | null {
  if (active === 1) return 'active';
  return backup === 1 ? 'backup' : null;
}

/** As HAProxy counts it: also one that is UP by assumption (`UP 1/3`), to which users come at once. */
export function isUsable({ status, weight }: Pick<ListedServer, 'status' | 'weight'>): boolean {
  return /^(UP|no check)\b/.test(status) && weight !== 0;
}

function nameOf({ backend, server }: ListedServer): string {
  return `${backend}/${server}`;
}
