import { kinshipOf } from '../balancers/runtime-api/related-servers.ts';
import type { SocketLevel } from '../balancers/runtime-api/survey-facts.ts';
import { isThisMachine, parseAddress, type Address } from '../haproxy/address.ts';
import { createClient, type Client } from '../haproxy/client.ts';
import { batch, showInfo, showLevel } from '../haproxy/command.ts';
import { isName, type ServerName } from '../haproxy/names.ts';
import { listAllServers, type ListedServer } from '../haproxy/replies/show-all-servers.ts';
import { parseInfo, requireSupported, type Info } from '../haproxy/replies/show-info.ts';
import { answersOf, contextOf, unexpected, withoutSeverity } from '../haproxy/reply.ts';
import type { TlsFiles } from '../haproxy/tls.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { isOwnHost } from '../system/own-addresses.ts';

/** One HAProxy as it shows itself: all of its servers, in one list. */
export interface BalancerView {
  /** The address as the operator wrote it. */
  readonly target: string;
  readonly address: Address;
  readonly client: Client;
  /** It runs on this machine: its loopback addresses are this machine's. */
  readonly isHere: boolean;
  readonly level: Exclude<SocketLevel, 'user'>;
  readonly info: Info;
  /** Every server, without the BACKEND rows. */
  readonly servers: readonly ListedServer[];
  /** The BACKEND rows as well. */
  readonly rows: readonly ListedServer[];
}

/** What asking a HAProxy needs. */
export interface AskPorts {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** On the clock, in milliseconds: the end of everything that is asked. */
  readonly until: number;
  readonly tls: TlsFiles | null;
  /** The addresses of this machine. */
  readonly own: ReadonlySet<string>;
}

/**
 * Asks for the level of the socket, the worker, and the list of all servers. Changes nothing.
 * @throws LastcallError `balancer-unreachable`; `not-permitted` for a socket below level operator, which shows no
 *   addresses (seen on 2.6.12 and 3.2.26), and for HAProxy before 2.4; `failed` for a name that no HAProxy has
 */
export async function viewBalancer(target: string, ports: AskPorts): Promise<BalancerView> {
  const { clock, signal, until, tls, own } = ports;
  const address = parseAddress(target, 'usage');
  const client = createClient(target, address, { clock, tls: address.kind === 'tls' ? tls : null });
  const left = (): number => Math.max(1, until - clock.now());
  const reply = await client.exchange(batch(showLevel(), showInfo()), left(), signal);
  const [first = '', about = ''] = answersOf(reply);
  const level = withoutSeverity(first);
  if (level === 'user') throw tooLow(target, reply.elapsedMs);
  if (level !== 'admin' && level !== 'operator') throw unexpected(reply, first);
  requireSupported(parseInfo(about, reply), reply);
  const { info, rows } = await listAllServers(client, (command, onLine) =>
    client.stream(command, onLine, left(), signal),
  );
  const wrong = rows.find(({ backend, server }) => !isName(backend) || !isName(server));
  if (wrong !== undefined) throw noName(target, wrong, contextOf(reply).elapsedMs);
  const isHere = isThisMachine(address) || (address.kind !== 'unix' && isOwnHost(address.host, own));
  const servers = rows.filter(({ isServer }) => isServer);
  return { target, address, client, isHere, level, info, servers, rows };
}

function tooLow(target: string, elapsedMs: number): LastcallError {
  return new LastcallError(
    'not-permitted',
    `${target}: this socket is of level user, which shows no address of a server`,
    { target, elapsedMs, next: 'name a `stats socket` of `level operator` or `level admin`' },
  );
}

/** Such a name could end the line of the file that it is written into. */
function noName(
  target: string,
  { backend, server }: ListedServer,
  elapsedMs: number | undefined,
): LastcallError {
  const shown = JSON.stringify(`${backend}/${server}`.slice(0, 100));
  return new LastcallError('failed', `${target}: it shows a server ${shown}, a name that no HAProxy has`, {
    target,
    ...(elapsedMs === undefined ? {} : { elapsedMs }),
    next: 'see what answers at this address',
  });
}

export function nameOf({ backend, server }: ServerName): string {
  return `${backend}/${server}`;
}

/** The servers that follow one of these, directly or through each other, without these themselves. */
export function trackersIn(
  { rows, level }: BalancerView,
  servers: readonly ServerName[],
): readonly ListedServer[] {
  const listed = new Map(servers.map((server) => [nameOf(server), server]));
  const trackers = new Set(
    kinshipOf(rows, listed, level, {})
      .relatives.filter(({ by }) => by === 'track')
      .map(({ name }) => name),
  );
  return rows.filter((row) => trackers.has(nameOf(row)));
}
