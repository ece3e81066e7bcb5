import { parseAddress } from '../haproxy/address.ts';
import { createClient } from '../haproxy/client.ts';
import { listAllServers } from '../haproxy/replies/show-all-servers.ts';
import type { Status } from '../lifecycle/model/api.ts';
import { listed } from '../lifecycle/model/objection.ts';
import { type Clock, withDeadline } from '../system/clock.ts';
import { isLastcallError, LastcallError } from '../system/error.ts';
import { createLocalClient } from './local-client.ts';
import type { Context, DirectOptions, DirectService } from './ports.ts';
import type { StatusClient } from './watch.ts';

/** `status --haproxy`: what direct mode would see. The node is called by its servers, since no sidecar has a name for it. */

const LIST_MS = 5_000;
/** For the first look at each HAProxy, once it has listed its servers. */
const FIRST_LOOK_MS = 5_000;
/** The most servers of one node: each of them is looked at on its own. */
const MOST_SERVERS = 100;
/** As many servers as an error names. */
const NAMED = 8;

export interface DirectStatus {
  readonly client: StatusClient;
  close(): Promise<void>;
}

/**
 * Starts the engine, and waits until each HAProxy has been looked at once.
 * @param direct without servers: all that its one HAProxy has
 * @throws LastcallError `balancer-unreachable` where no HAProxy answers, `no-such-server`, `not-permitted`
 */
export async function openDirectStatus(
  direct: DirectOptions,
  { ports }: Pick<Context, 'ports'>,
): Promise<DirectStatus> {
  const { clock } = ports;
  const known = await serversOf(direct, clock);
  const servers = direct.servers.length > 0 ? direct.servers : known;
  const service = await ports.direct({ ...direct, servers });
  try {
    await firstLook(service, clock);
  } catch (error) {
    await service.close();
    throw error;
  }
  const node = direct.servers.length > 0 ? servers.join(', ') : direct.haproxy.join(', ');
  return { client: clientOf(service, node), close: () => service.close() };
}

/**
 * @returns the servers of every HAProxy that answers
 * @throws LastcallError where none answers, one of them lacks a server that was named, or there are too many
 */
async function serversOf(direct: DirectOptions, clock: Clock): Promise<readonly string[]> {
  const lists = await Promise.allSettled(
    direct.haproxy.map((address) => listServers(address, direct, clock, LIST_MS)),
  );
  const answered = lists.flatMap((list) => (list.status === 'fulfilled' ? [list.value] : []));
  const refused = lists.flatMap((list) => (list.status === 'rejected' ? [list.reason as unknown] : []));
  const isAway = (error: unknown): boolean => isLastcallError(error) && error.code === 'balancer-unreachable';
  const fatal = refused.find((error) => !isAway(error)) ?? (answered.length === 0 ? refused[0] : undefined);
  if (fatal !== undefined) throw fatal;
  for (const { address, names } of answered) checkNamed(address, names, direct.servers);
  return answered.flatMap(({ names }) => names);
}

interface ServerList {
  readonly address: string;
  readonly names: readonly string[];
}

/**
 * The names of all servers of one HAProxy, in one exchange.
 * @throws LastcallError `usage` for an address that is none; `balancer-unreachable`, `not-permitted`
 */
export async function listServers(
  address: string,
  { tls }: Pick<DirectOptions, 'tls'>,
  clock: Clock,
  timeoutMs: number,
): Promise<ServerList> {
  const parsed = parseAddress(address, 'usage');
  const client = createClient(address, parsed, { clock, tls: parsed.kind === 'tls' ? tls : null });
  const { signal } = new AbortController();
  const { rows } = await listAllServers(client, (command, onLine) =>
    client.stream(command, onLine, timeoutMs, signal),
  );
  const names = rows.filter(({ isServer }) => isServer).map((row) => `${row.backend}/${row.server}`);
  return { address, names };
}

/** @throws LastcallError `no-such-server`; `usage` where all are meant, and they are too many */
function checkNamed(address: string, names: readonly string[], wanted: readonly string[]): void {
  const missing = wanted.find((name) => !names.includes(name));
  if (missing === undefined && names.length === 0)
    throw new LastcallError('no-such-server', `${address}: this HAProxy has no server`, {
      target: address,
      next: 'see its configuration',
    });
  if (missing !== undefined)
    throw new LastcallError('no-such-server', `${address}: there is no server ${missing}`, {
      target: missing,
      next: names.length === 0 ? 'see its configuration' : `name one of ${listed(names, NAMED)}`,
    });
  if (wanted.length === 0 && names.length > MOST_SERVERS)
    throw new LastcallError('usage', `${address} has ${names.length} servers, too many to show at once`, {
      target: address,
      next: `add --server, for example ${listed(names, NAMED)}`,
    });
}

/** Resolves once every balancer was looked at, or has failed to answer. */
async function firstLook(service: DirectService, clock: Clock): Promise<void> {
  const late = (): LastcallError =>
    new LastcallError('balancer-unreachable', 'the first look at HAProxy did not end', {
      target: service
        .status()
        .balancers.map(({ name }) => name)
        .join(', '),
      elapsedMs: FIRST_LOOK_MS,
      next: 'look whether HAProxy is overloaded',
    });
  const isLooked = ({ balancers }: Status): boolean =>
    balancers.every(({ reachable, error }) => reachable || error !== null);
  let unwatch = (): void => undefined;
  try {
    await withDeadline(clock, FIRST_LOOK_MS, new AbortController().signal, late, () => {
      return new Promise<void>((resolve) => {
        const look = (status: Status): void => {
          if (isLooked(status)) resolve();
        };
        unwatch = service.watch({ status: look, result: () => undefined });
        look(service.status());
      });
    });
  } finally {
    unwatch();
  }
}

function clientOf(service: DirectService, node: string): StatusClient {
  const named = (status: Status): Status => ({ ...status, node });
  return {
    isDirect: true,
    status: async (signal) => {
      signal.throwIfAborted();
      return Promise.resolve(named(service.status()));
    },
    holders: async () => service.holders(),
    async *events(signal) {
      for await (const event of createLocalClient(service).events(signal))
        yield event.event === 'status' ? { ...event, data: named(event.data) } : event;
    },
  };
}
