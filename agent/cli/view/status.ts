import type { Status } from '../../lifecycle/model/api.ts';
import { type ConnectionReport, connectionTable } from './connections.ts';
import type { Context } from '../ports.ts';
import { checkText, countCell, ownerText, stateText } from './server-words.ts';
import { alignTable } from './table.ts';
import { deadlineText } from './deadline.ts';
import { age, type Paint, countText, painter, secondsText, sparkline } from './format.ts';

/**
 * Writes a status to stdout, as text or as JSON.
 * @param connections null where the open connections were not asked for
 * @param isDirect no sidecar has answered: the phase is that of this process, and no news
 */
export function writeStatus(
  { ports, globals }: Context,
  status: Status,
  connections: ConnectionReport | null,
  isDirect = false,
): void {
  if (globals.json === true) {
    const holders = connections === null ? {} : { holders: 'error' in connections ? null : connections };
    ports.stdout.write(`${JSON.stringify({ ...status, ...holders })}\n`);
  } else {
    const paint = painter({ ports, globals }, ports.stdout);
    ports.stdout.write(`${statusText(status, connections, ports.clock.wall(), paint, isDirect)}\n`);
  }
}

/**
 * The whole picture for people: the node, its servers at every balancer, the session sources and the open
 * connections, what is wrong.
 */
export function statusText(
  status: Status,
  connections: ConnectionReport | null,
  now: Date,
  paint: Paint,
  isDirect = false,
): string {
  const { node, operation } = status;
  const head = `${paint('bold', node)}  ${isDirect ? 'as HAProxy shows it, without a sidecar' : phaseText(status, now, paint)}`;
  const doing =
    operation === null
      ? []
      : [
          `${operation.operation} by ${operation.by}${operation.reason === null ? '' : ` (${operation.reason})`}: ` +
            `${secondsText(operation.seconds)} elapsed, ${deadlineText(status, 'whole')}`,
        ];
  return [
    head,
    ...doing,
    ...holdLines(status, paint),
    ...(status.waits ?? []).map((what) => paint('yellow', `waits: ${what}`)),
    ...status.alarms.map((alarm) => paint('red', `ALARM ${alarm}`)),
    '',
    ...balancerLines(status, now, paint),
    '',
    ...sessionLines(status, now, paint),
    ...(connections === null ? [] : ['', ...connectionTable(connections, status, now, paint)]),
  ].join('\n');
}

function phaseText(status: Status, now: Date, paint: Paint): string {
  const { phase, since } = status;
  return `${paint('bold', phase)} since ${since} (${age(since, now)})  health ${healthText(status)}`;
}

function holdLines({ hold }: Status, paint: Paint): string[] {
  if (hold === null) return [];
  const why = hold.reason === null ? '' : ` (${hold.reason})`;
  return [
    `${paint('cyan', 'held')} in ${stateText(hold.admin, paint)} by ${hold.by}${why}; \`lastcall release\` ends it`,
  ];
}

/** An application that is up although its latest probe was bad is one that flaps. */
function healthText({ health, healthReason }: Status): string {
  if ((healthReason ?? null) === null) return health;
  return health === 'up' ? `up, but its latest probe: ${healthReason}` : `${health}: ${healthReason}`;
}

function balancerLines({ balancers }: Status, now: Date, paint: Paint): string[] {
  const rows = balancers.flatMap(({ name, reachable, error, servers }) =>
    reachable
      ? servers.map((server) => [
          name,
          server.name,
          stateText(server.admin, paint),
          checkText(server, paint),
          ownerText(server, paint),
          server.applied === null ? '' : age(server.applied.at, now),
          countCell(server.connections, paint),
          countCell(server.queued, paint),
        ])
      : [[name, `${countCell(null, paint)}: ${error ?? 'unreachable'}`]],
  );
  const [header = '', ...lines] = alignTable([
    ['BALANCER', 'SERVER', 'ADMIN', 'STATE', 'OWNER', 'FOR', 'CONN', 'QUEUE'],
    ...rows,
  ]);
  return [
    paint('dim', header),
    ...lines,
    ...errorLines(balancers, paint),
    ...missingLines(balancers, now, paint),
    ...waitLines(balancers, now),
  ];
}

/** Why a balancer that answers is incomplete: old workers that cannot be asked, a server that it has no more. */
function errorLines(balancers: Status['balancers'], paint: Paint): string[] {
  return balancers.flatMap(({ name, reachable, error }) =>
    reachable && error !== null
      ? [paint('yellow', error.startsWith(`${name}: `) ? error : `${name}: ${error}`)]
      : [],
  );
}

/** The neighbours that are down: why a drain was refused, or would be. */
function missingLines(balancers: Status['balancers'], now: Date, paint: Paint): string[] {
  return balancers.flatMap(({ name, servers }) =>
    servers.flatMap(({ name: server, neighbours }) =>
      !neighbours || neighbours.missing.length === 0
        ? []
        : [
            paint('yellow', `${name}: beside ${server}, ${age(neighbours.at, now)} ago: `) +
              `${neighbours.missing.join(', ')}; ${countText(neighbours.usable)} other usable`,
          ],
    ),
  );
}

function waitLines(balancers: Status['balancers'], now: Date): string[] {
  return balancers.flatMap(({ name, waitsFor }) =>
    waitsFor.map(
      ({ poller, silentSince }) => `${name} waits for ${poller}, silent for ${age(silentSince, now)}`,
    ),
  );
}

/** Seconds between two counts, above which a number may be old: at rest each source is asked every 10 s. */
const SELDOM = 10;

function sessionLines(status: Status, now: Date, paint: Paint): string[] {
  const { sessions, curve: counts } = status;
  const rows = sessions.sources.map(({ name, count: counted, at, every, error }) => [
    name,
    countCell(counted, paint),
    `${at === null ? 'never' : `${age(at, now)} ago`}${every > SELDOM ? `, every ${secondsText(every)}` : ''}`,
    error ?? '',
  ]);
  const end = forecastText(status);
  // Connections alone: a sticky user between two clicks has none.
  const [what, whose] = rows.length === 0 ? ['connections', '; no source counts users'] : ['sessions', ''];
  const total = `${what}: ${countCell(sessions.total, paint)} in all${whose}${end === '' ? '' : `, ${end}`}`;
  const curve = counts.length === 0 ? [] : [`so far: ${sparkline(counts)}`];
  if (rows.length === 0) return [total, ...curve];
  const [header = '', ...lines] = alignTable([['SOURCE', 'SESSIONS', 'ASKED', 'ERROR'], ...rows]);
  return [paint('dim', header.trimEnd()), ...lines.map((line) => line.trimEnd()), total, ...curve];
}

/** When the last user will be gone, or why that is unknown; nothing while no user has to leave. */
export function forecastText({ eta, etaReason }: Status): string {
  const most = eta?.atMost ?? null;
  const about = eta?.seconds ?? null;
  const words = about === null ? (etaReason ?? '') : `gone in about ${secondsText(about)}`;
  return most === null ? words : `${words} (at most ${secondsText(most)} if no user clicks any more)`;
}
