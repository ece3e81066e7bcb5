import type { Status } from '../lifecycle/operation.ts';
import type { Context } from './ports.ts';
import { alignTable } from './table.ts';
import { sidecar } from './target.ts';
import { type Paint, painter, secondsText } from './text.ts';

/**
 * `lastcall status`: once, or at every change until interrupted.
 * @returns the exit code
 * @throws LastcallError `agent-unreachable`, or where the sidecar cannot be found
 */
export async function showStatus(context: Context, watch: boolean): Promise<number> {
  const client = await sidecar(context);
  if (watch) return (await import('./watch.ts')).watchStatus(context, client);
  const status = await client.status(new AbortController().signal);
  if (context.globals.quiet !== true) writeStatus(context, status);
  return 0;
}

/** Writes a status to stdout, as people or as programs want it. */
export function writeStatus({ ports, globals }: Context, status: Status): void {
  if (globals.json === true) ports.stdout.write(`${JSON.stringify(status)}\n`);
  else
    ports.stdout.write(
      `${statusText(status, ports.clock.wall(), painter({ ports, globals }, ports.stdout))}\n`,
    );
}

/** The whole picture for people: the node, its servers at every balancer, who counts whom, what is wrong. */
export function statusText(status: Status, now: Date, paint: Paint): string {
  const { node, phase, since, health, operation } = status;
  const head = `${paint('bold', node)}  ${paint('bold', phase)} since ${since} (${age(since, now)})  health ${health}`;
  const doing =
    operation === null
      ? []
      : [
          `${operation.operation} by ${operation.by}${operation.reason === null ? '' : ` (${operation.reason})`}: ` +
            `${secondsText(operation.seconds)} elapsed, ${secondsText(operation.remaining)} left, then ${operation.onTimeout}; id ${operation.id}`,
        ];
  return [
    head,
    ...doing,
    ...status.alarms.map((alarm) => paint('red', `ALARM ${alarm}`)),
    '',
    ...balancerLines(status, paint),
    '',
    ...sessionLines(status, now, paint),
  ].join('\n');
}

function balancerLines({ balancers }: Status, paint: Paint): string[] {
  const rows = balancers.flatMap(({ name, reachable, error, servers }) =>
    reachable
      ? servers.map((server) => [
          name,
          server.name,
          server.admin ?? '?',
          server.operational ?? '?',
          server.owner,
          count(server.connections),
          count(server.queued),
        ])
      : [[name, `unreachable${error === null ? '' : `: ${error}`}`]],
  );
  const [header = '', ...lines] = alignTable([
    ['BALANCER', 'SERVER', 'ADMIN', 'STATE', 'OWNER', 'CONN', 'QUEUE'],
    ...rows,
  ]);
  return [paint('dim', header), ...lines];
}

function sessionLines({ sessions, eta }: Status, now: Date, paint: Paint): string[] {
  const rows = sessions.sources.map(({ name, count: counted, at, error }) => [
    name,
    count(counted),
    at === null ? 'never' : `${age(at, now)} ago`,
    error ?? '',
  ]);
  const most = eta === null || eta.atMost === null ? '' : ` (at most ${secondsText(eta.atMost)})`;
  const end = eta === null ? '' : `, gone in about ${secondsText(eta.seconds)}${most}`;
  const total = `${count(sessions.total)} in all${end}`;
  if (rows.length === 0) return [`sessions: ${total}`];
  const [header = '', ...lines] = alignTable([['SOURCE', 'SESSIONS', 'ASKED', 'ERROR'], ...rows]);
  return [paint('dim', header.trimEnd()), ...lines.map((line) => line.trimEnd()), `sessions: ${total}`];
}

function count(value: number | null): string {
  return value === null ? 'unknown' : String(value);
}

function age(iso: string, now: Date): string {
  return secondsText((now.getTime() - Date.parse(iso)) / 1_000);
}
