import type { Admin, Origin, Over } from '../../lifecycle/model/observation.ts';
import { columnsOf, parseCount, type Columns } from './columns.ts';
import { unexpected, type Reply } from '../reply.ts';
import type { Endpoint } from '../server-keys.ts';

/** One line of `show servers state`. */
export interface ServerStateRow {
  readonly backendId: number;
  readonly serverId: number;
  readonly server: string;
  /** srv_op_state: 0 stopped, 1 starting, 2 running, 3 stopping (management.txt). */
  readonly operational: number;
  /** srv_admin_state, a set of bits. */
  readonly adminBits: number;
  /** srv_iweight: the weight of the configuration; null = unknown. */
  readonly initialWeight: number | null;
  /** Null where no IP address is shown: `-` for a unix socket and for a name that does not resolve. */
  readonly endpoint: Endpoint | null;
  /** The port of its check, where that is another one than the server's; null = not set, or not shown. */
  readonly checkPort: number | null;
  /** The port of its agent-check; null = none, or not shown. */
  readonly agentPort: number | null;
}

/**
 * Reads `show servers state BACKEND`: the version of the format, a header, a line per server, fields by name, as many
 * as the header has.
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function parseServersState(answer: string, reply: Reply): readonly ServerStateRow[] {
  const [version, header, ...lines] = answer.split('\n');
  if (version !== '1' || header === undefined || !header.startsWith('# be_id '))
    throw unexpected(reply, answer);
  const columns = columnsOf(header.slice('# '.length).trim().split(' '));
  if (columns === null) throw unexpected(reply, header);
  return lines.map((line) => stateOf(columns, line, reply));
}

function stateOf(columns: Columns, line: string, reply: Reply): ServerStateRow {
  const fields = line.trim().split(' ');
  if (fields.length !== columns.count) throw unexpected(reply, line);
  const field = (name: string): string | undefined => columns.field(fields, name);
  const server = field('srv_name');
  const backendId = parseCount(field('be_id'));
  const serverId = parseCount(field('srv_id'));
  const operational = parseCount(field('srv_op_state'));
  // Decimal, although the manual lists the bits in hexadecimal (seen on 2.6.12: 16 for 0x10).
  const adminBits = parseCount(field('srv_admin_state'));
  if (
    server === undefined ||
    backendId === null ||
    serverId === null ||
    operational === null ||
    adminBits === null
  ) {
    throw unexpected(reply, line);
  }
  const initialWeight = parseCount(field('srv_iweight'));
  const endpoint = endpointIn(field('srv_addr'), parseCount(field('srv_port')));
  const checkPort = parseCount(field('srv_check_port')) || null;
  const agentPort = parseCount(field('srv_agent_port')) || null;
  const ports = { checkPort, agentPort };
  return { backendId, serverId, server, operational, adminBits, initialWeight, endpoint, ...ports };
}

/**
 * The port that the agent-check of a server asks, in the answer to `show servers state BACKEND`.
 * @returns null where it has none, or this version does not show it
 * @throws LastcallError as `parseServersState`
 */
export function parseAgentPort(answer: string, server: string, reply: Reply): number | null {
  const [, header = '', ...lines] = answer.split('\n');
  const columns = columnsOf(header.slice('# '.length).trim().split(' '));
  if (columns === null) throw unexpected(reply, header);
  const fields = lines
    .map((line) => line.trim().split(' '))
    .find((one) => columns.field(one, 'srv_name') === server);
  const port = fields === undefined ? null : parseCount(columns.field(fields, 'srv_agent_port'));
  return port === 0 ? null : port;
}

function endpointIn(host: string | undefined, port: number | null): Endpoint | null {
  return host === undefined || host === '-' || port === null ? null : { host, port };
}

/** The bits of srv_admin_state (management.txt, `show servers state`; tried: BEHAVIOUR.md#admin-state). */
const FORCED_MAINT = 0x01;
const INHERITED_MAINT = 0x02;
const CONFIGURED_MAINT = 0x04;
const FORCED_DRAIN = 0x08;
const INHERITED_DRAIN = 0x10;
const RESOLUTION_MAINT = 0x20;

/**
 * The meaning of the bits. 0x04 alone is only history: it stays after `state ready` of a server that the
 * configuration disables, and is the origin of a MAINT only while that is in force.
 */
export function readAdmin(bits: number): { readonly admin: Admin; readonly origin: Origin } {
  const has = (bit: number): boolean => (bits & bit) !== 0;
  if (has(FORCED_MAINT)) return { admin: 'maint', origin: has(CONFIGURED_MAINT) ? 'config' : 'forced' };
  if (has(RESOLUTION_MAINT)) return { admin: 'maint', origin: 'config' };
  if (has(INHERITED_MAINT)) return { admin: 'maint', origin: 'inherited' };
  if (has(FORCED_DRAIN)) return { admin: 'drain', origin: 'forced' };
  if (has(INHERITED_DRAIN)) return { admin: 'drain', origin: 'inherited' };
  return { admin: 'ready', origin: 'none' };
}

/**
 * What lies over the forced state and hides it: bits combine (0x28 is our DRAIN under a MAINT by resolution), and a
 * command changes the forced ones alone. Measured on 2.6.12 and 3.2.26: under 0x20 `state maint` makes 0x21, `drain`
 * 0x28, `ready` 0x20; with its address back the server shows what was forced last.
 * @returns null where the forced state is what the server shows
 */
export function readOver(bits: number): Over | null {
  const has = (bit: number): boolean => (bits & bit) !== 0;
  const forced = has(FORCED_MAINT) ? 'maint' : has(FORCED_DRAIN) ? 'drain' : 'ready';
  if (forced === readAdmin(bits).admin) return null;
  return { by: has(RESOLUTION_MAINT) ? 'resolution' : 'tracked', forced };
}
