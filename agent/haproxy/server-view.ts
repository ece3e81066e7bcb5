import type { FullReading, RowReading } from './server-reader.ts';
import { endpointOf } from './server-keys.ts';
import { readAdmin, readOver } from './replies/show-servers-state.ts';
import { unexpected, type Reply } from './reply.ts';
import type { StatRow } from './replies/show-stat.ts';
import type {
  Admin,
  Counters,
  Operational,
  Origin,
  Over,
  ServerView,
} from '../lifecycle/model/observation.ts';

export interface AdminState {
  readonly admin: Admin;
  readonly origin: Origin;
  readonly over?: Over;
  /** The weight that the configuration gives the server; null or absent = unknown. */
  readonly initialWeight?: number | null;
}

/**
 * The administrative state in the status text where it is certain; null where it is hidden: DOWN and NOLB hide
 * DRAIN (BEHAVIOUR.md#admin-state), and MAINT with a remark comes from elsewhere.
 */
function adminInText(status: string): Admin | null {
  if (/^(UP( \d+\/\d+)?|no check)$/.test(status)) return 'ready';
  if (/^DRAIN( \d+\/\d+| \(agent\))?$/.test(status)) return 'drain';
  return status === 'MAINT' ? 'maint' : null;
}

/**
 * The administrative state in the row; null as above. `weightless`: with weight 0 it gets no new users, which is an
 * operator's drain where the configuration gives it a weight, and never shows as DRAIN (BEHAVIOUR.md#weight-0).
 */
export function adminInRow(row: StatRow): Admin | 'weightless' | null {
  const admin = adminInText(row.text('status') ?? '');
  return admin === 'ready' && row.count('uweight') === 0 ? 'weightless' : admin;
}

/**
 * What the server does with traffic, by its status text; the number of `show servers state` where it is a new one.
 * `UP 1/3` is UP by assumption: out of MAINT a server takes users before HAProxy has checked it even once
 * (BEHAVIOUR.md#way-back-from-maint). Only a good check makes it `UP`. Where `fall` is 1 the two look the same.
 */
function operationalIn(status: string, number: number | undefined): Operational | null {
  if (/^UP \d+\/\d+$/.test(status)) return 'starting';
  if (/^(UP|DRAIN|no check)\b/.test(status)) return 'up';
  if (/^NOLB\b/.test(status)) return 'stopping';
  if (/^DOWN \d+\/\d+$/.test(status)) return 'starting';
  if (/^(DOWN|MAINT)\b/.test(status)) return 'down';
  return number === undefined ? null : (BY_NUMBER[number] ?? null);
}
const BY_NUMBER: readonly Operational[] = ['down', 'up', 'up', 'stopping'];

/**
 * One server for the lifecycle.
 * @param known its administrative state, which the row alone does not show whole
 * @throws LastcallError `balancer-unreachable` when the row has no counts: unknown is never zero (I7)
 */
export function viewOf(name: string, reading: RowReading, known: AdminState): ServerView {
  return view(name, reading, known, operationalIn(reading.row.text('status') ?? '', undefined));
}

/** A server that this worker does not have: no user is there, and none can come. */
export function absentView(name: string, absent: string): ServerView {
  return {
    name,
    absent,
    admin: 'maint',
    origin: 'none',
    operational: 'down',
    connections: 0,
    queued: 0,
    total: null,
    weight: null,
    counters: null,
  };
}

/** As `viewOf`, with the administrative state by its bits. */
export function fullViewOf(name: string, reading: FullReading): ServerView {
  const { row, state } = reading;
  const operational = operationalIn(row.text('status') ?? '', state.operational);
  return view(name, reading, fullAdminOf(reading), operational);
}

function fullAdminOf({ row, state }: FullReading): AdminState {
  const { initialWeight } = state;
  const over = readOver(state.adminBits);
  const admin: AdminState = { ...readAdmin(state.adminBits), ...(over && { over }), initialWeight };
  return admin.admin === 'ready' && isWeightless(row, admin)
    ? { admin: 'drain', origin: 'forced', initialWeight }
    : admin;
}

/** A weight of 0 that the configuration gives was not set by an operator. */
function isWeightless(row: StatRow, { initialWeight }: Pick<AdminState, 'initialWeight'>): boolean {
  return row.count('uweight') === 0 && (initialWeight ?? 0) > 0;
}

/** The state set by a command or by agent-check, without what overrides it. */
export function forcedOf({ admin, over }: ServerView): Admin {
  return over?.forced ?? admin;
}

function view(
  name: string,
  { row, reply }: RowReading,
  known: AdminState,
  operational: Operational | null,
): ServerView {
  if (operational === null) throw unexpected(reply, `status: ${row.text('status') ?? 'no such column'}`);
  return {
    name,
    admin: known.admin,
    origin: known.origin,
    ...(known.over && { over: known.over }),
    operational,
    ...(row.text('status') === 'UP' && row.count('check_fall') === 1 ? { assumedUp: true } : {}),
    connections: countOrThrow(row, 'scur', reply),
    queued: countOrThrow(row, 'qcur', reply),
    total: row.count('stot'),
    weight: row.count('uweight'),
    ...throttleIn(row),
    ...(isWeightless(row, known) ? { weightless: true } : {}),
    counters: countersOf(row),
    ...agentIn(row),
    ...checkIn(row),
    ...addressIn(row),
  };
}

/** Empty outside of a `slowstart` that has begun (BEHAVIOUR.md#weights). */
function throttleIn(row: StatRow): Pick<ServerView, 'throttle'> {
  const throttle = row.count('throttle');
  return throttle === null ? {} : { throttle };
}

/**
 * The agent-check of a server, where it has one that is polled: without one `agent_status` is empty. `last_agt`
 * holds the text behind a `#` and errors only, not `ready` (measured on 2.6.12 and 3.2.26), and is written by
 * another program.
 */
function agentIn(row: StatRow): Pick<ServerView, 'agent'> {
  const status = printable(row.checkCode('agent_status'));
  const last = printable(row.text('last_agt'));
  if (status === '') return {};
  return { agent: last === '' ? status : `${status}, “${last}”` };
}

/**
 * The last health check. The application may write `last_chk`.
 */
function checkIn(row: StatRow): Pick<ServerView, 'check' | 'checkFailed'> {
  const status = printable(row.checkCode('check_status'));
  if (/^(L4OK|L6OK|L7OKC?|PROCOK)$/.test(status)) return { check: status };
  // These are answers of a check that has not ended yet, or is not made.
  if (status === '' || ['INI', 'UNK'].includes(status)) return {};
  const detail = printable(row.text('last_chk')) || printable(row.text('check_desc'));
  return { checkFailed: detail === '' ? status : `${status}, ${detail}` };
}

function addressIn(row: StatRow): Pick<ServerView, 'address'> {
  const address = endpointOf(row.text('addr'));
  return address === null ? {} : { address };
}

function printable(text = ''): string {
  return text
    .replaceAll(/[^ -~]/g, '?')
    .slice(0, 80)
    .trim();
}

function countOrThrow(row: StatRow, column: string, reply: Reply): number {
  const count = row.count(column);
  if (count === null) throw unexpected(reply, `${column}: ${row.text(column) ?? 'no such column'}`);
  return count;
}

function countersOf(row: StatRow): Counters | null {
  const connectionErrors = row.count('econ');
  const responseErrors = row.count('eresp');
  const redispatches = row.count('wredis');
  const clientAborts = row.count('cli_abrt');
  // Empty in mode tcp, which has no HTTP answers: there it is a true 0.
  const http5xx = row.text('mode') === 'tcp' ? 0 : row.count('hrsp_5xx');
  if (connectionErrors === null || responseErrors === null || redispatches === null) return null;
  if (clientAborts === null || http5xx === null) return null;
  return { connectionErrors, responseErrors, redispatches, clientAborts, http5xx };
}
