import { neighboursOf } from '../balancers/runtime-api/related-servers.ts';
import {
  findStickTables,
  HASHED,
  stickyReason,
  type StickTables,
  type Stickiness,
} from '../balancers/runtime-api/survey-facts.ts';
import type { Command } from '../haproxy/command.ts';
import { createReadingPace } from '../haproxy/reading-pace.ts';
import { holdsEntryOf, type TableConnection } from '../haproxy/replies/table-entries.ts';
import { readAdmin, readOver } from '../haproxy/replies/show-servers-state.ts';
import type { StatRow } from '../haproxy/replies/show-stat.ts';
import { endpointOf, serverKeys, type Endpoint } from '../haproxy/server-keys.ts';
import { adminInRow } from '../haproxy/server-view.ts';
import { readEach } from '../haproxy/shared-lines.ts';
import { createServerReader, type FullReading, type SendCommand } from '../haproxy/server-reader.ts';
import type { Admin } from '../lifecycle/model/observation.ts';
import { isLastcallError } from '../system/error.ts';
import { nameOf, type AskPorts } from './balancer-view.ts';
import type { NodeAt } from './choose.ts';
import { readTable, type TableDetail } from './table-detail.ts';

/** What one HAProxy shows of this node's servers, besides the list: what binds users, checks, neighbours, tables. */
export interface NodeDetails {
  readonly at: NodeAt;
  readonly servers: readonly ServerDetail[];
  /** The stick tables that hold or may hold users of this node. */
  readonly tables: readonly TableDetail[];
}

export interface ServerDetail extends Stickiness {
  /** `backend/server` */
  readonly name: string;
  readonly endpoint: Endpoint | null;
  readonly mode: string;
  readonly check: Check;
  /** The port of its agent-check; null = it has none, or HAProxy does not show it. */
  readonly agentPort: number | null;
  readonly admin: Admin;
  /** It is READY with weight 0, which HAProxy's page calls a drain. */
  readonly isWeightless: boolean;
  /** It is in MAINT since its name has no address (DNS): no command ends that. */
  readonly isUnresolved: boolean;
  /** How many other servers of its backend take new users; null = not shown. */
  readonly others: number | null;
  /** Backups of its backend that stand by, `backend/server`. */
  readonly standbys: readonly string[];
}

export interface Check {
  /**
   * `none`: HAProxy does not check this server, so it sends users to it whether it works or not. `unseen`: in MAINT
   * HAProxy does not show whether it has a check.
   */
  readonly kind: 'none' | 'http' | 'tcp' | 'other' | 'unseen';
  /** The port that is checked, where that is another one than the server's. */
  readonly port: number | null;
}

/**
 * Reads them, many in one exchange. Changes nothing.
 * @throws LastcallError as the exchanges; `no-such-server` for a server that has gone since the list was made
 */
export async function readDetails(at: NodeAt, { clock, signal, until }: AskPorts): Promise<NodeDetails> {
  const { client, rows, level } = at.balancer;
  const left = (): number => Math.max(1, until - clock.now());
  const ask: SendCommand = (command) => client.exchange(command, left(), signal);
  const reader = createServerReader();
  const readings: FullReading[] = await readEach(ask, at.servers, (each, server) =>
    reader.readFull(each, server),
  );
  const streamReply = (command: Command, take: (chunk: Buffer) => boolean): Promise<void> =>
    client.streamReply(command, take, left(), signal, createReadingPace(clock, left()));
  const connection: TableConnection = { target: client.target, streamReply };
  const asking: { tables: Promise<StickTables> | null } = { tables: null };
  const tables = (): Promise<StickTables> =>
    (asking.tables ??= stickTables(at, readings, { ask, connection }));
  const ours = new Set(at.servers.map(nameOf));
  const servers: ServerDetail[] = [];
  for (const [index, reading] of readings.entries()) {
    const { row, backend } = reading;
    const server = at.servers[index];
    if (server === undefined) continue;
    const bound = await stickyReason({ row, backend, level, tables });
    const { usableOthers: others, standbys } = neighboursOf(rows, server, ours);
    servers.push({ ...detailOf(reading, nameOf(server)), ...bound, others, standbys });
  }
  const { named = [], holding = [] } = (await asking.tables) ?? {};
  const binding = holding.length > 0 ? holding : named;
  const found: TableDetail[] = [];
  for (const table of binding) found.push(await readTable(connection, table));
  return { at, servers, tables: found };
}

function stickTables(
  { servers }: NodeAt,
  readings: readonly FullReading[],
  { ask, connection }: { readonly ask: SendCommand; readonly connection: TableConnection },
): Promise<StickTables> {
  const hashed = readings.some(({ backend }) => HASHED.has(backend.text('algo') ?? ''));
  const keys = servers.flatMap(({ server, address }) => serverKeys(server, endpointOf(address)));
  const holds = async (name: string): Promise<boolean | null> => {
    try {
      return await holdsEntryOf(connection, name, keys);
    } catch (error) {
      // A table that is too large for the deadline, or has gone: unknown, which counts as sticky.
      if (isLastcallError(error)) return null;
      throw error;
    }
  };
  return findStickTables(ask, holds, { names: servers, hashed });
}

function detailOf(
  { row, backend, state }: FullReading,
  name: string,
): Omit<ServerDetail, keyof Stickiness | 'others' | 'standbys'> {
  return {
    name,
    endpoint: state.endpoint,
    mode: backend.text('mode') ?? '',
    check: checkOf(row, state.checkPort),
    agentPort: state.agentPort ?? (row.checkCode('agent_status') ? 0 : null),
    admin: readAdmin(state.adminBits).admin,
    isWeightless: adminInRow(row) === 'weightless' && state.initialWeight !== 0,
    isUnresolved: readOver(state.adminBits)?.by === 'resolution',
  };
}

function checkOf(row: StatRow, port: number | null): Check {
  const status = row.checkCode('check_status');
  const isTracked = (row.text('tracked') ?? '') !== '';
  if (status === '' && isTracked) return { kind: 'other', port };
  const isShut = row.text('status')?.startsWith('MAINT') ?? false;
  if (status === '') return { kind: isShut ? 'unseen' : 'none', port };
  // The status of HTTP's answer is there for an HTTP check only.
  if (status.startsWith('L7')) return { kind: row.count('check_code') === null ? 'other' : 'http', port };
  // A connection that failed may have been meant for more.
  return { kind: status === 'L4OK' ? 'tcp' : 'other', port };
}
