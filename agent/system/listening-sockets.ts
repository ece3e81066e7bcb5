import { endianness } from 'node:os';
import { readTables, TABLES, type Tables } from './proc-net-tcp.ts';

/** A TCP socket that waits for connections in this network namespace. */
export interface ListeningSocket {
  /** `127.0.0.1`, `::1`; `0.0.0.0` and `::` take connections to any address. */
  readonly host: string;
  readonly port: number;
  /** The user id of its owner. */
  readonly user: number;
  readonly inode: string;
}

/** Its place in a line (Documentation/networking/proc_net_tcp): `sl local remote st queues timer retransmits uid timeout inode`. */
const LINE =
  /^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]{8,32}:[0-9A-F]{4} (0[1-9A-F]) \S+ \S+ \S+ +(\d+) +\d+ (\d+)\b/;
const LISTEN = '0A';

/**
 * All listening sockets, whatever process has them.
 * @throws LastcallError `failed` for what is no such table, the system's error, or the signal's reason
 */
export async function listeningSockets(
  signal: AbortSignal,
  tables: Tables = TABLES,
): Promise<readonly ListeningSocket[]> {
  const found: ListeningSocket[] = [];
  const take = (line: string): boolean => {
    const [whole, host = '', port = '', state, user, inode = ''] = LINE.exec(line) ?? [];
    if (state === LISTEN)
      found.push({ host: addressOf(host), port: Number.parseInt(port, 16), user: Number(user), inode });
    return whole !== undefined;
  };
  await readTables(tables, take, signal);
  return found;
}

/** An IPv4 address within IPv6 (`::ffff:127.0.0.1`), as Java listens at: it is the IPv4 address. */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The kernel writes words of four bytes, each in the machine's own order. */
function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => {
    const inOrder = (word.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
    return endianness() === 'LE' ? inOrder.toReversed() : inOrder;
  });
  if (bytes.length === 4 || MAPPED.every((byte, at) => bytes[at] === byte)) return bytes.slice(-4).join('.');
  const groups = bytes.flatMap((byte, at) => (at % 2 === 0 ? [byte * 256 + (bytes[at + 1] ?? 0)] : []));
  const text = groups.map((group) => group.toString(16)).join(':');
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}
