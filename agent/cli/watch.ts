import type { ControlClient } from '../control/client.ts';
import type { Status } from '../lifecycle/model/api.ts';
import { type Clock, sleep } from '../system/clock.ts';
import { isLastcallError } from '../system/error.ts';
import {
  type ConnectionReport,
  fetchConnections,
  connectionSummary,
  isGoingOut,
} from './view/connections.ts';
import { listenForInterrupts } from './interrupt.ts';
import type { SnapshotClient } from './snapshot.ts';
import type { Context } from './ports.ts';
import { INTERRUPTED } from './view/result.ts';
import { forecastText, writeStatus } from './view/status.ts';
import { sessionsText } from './view/format.ts';

const HOME_AND_CLEAR = '\u001b[H\u001b[J';
const REFRESH_MS = 1_000;
/** In a pipe, counts that change faster than this are one line, in milliseconds. */
const LINE_MS = 1_000;

/** The source of one node's status: a sidecar, or the engine in this process. */
export interface StatusClient extends Pick<ControlClient, 'events'>, SnapshotClient {}

/** Shows a status, and who holds the node where that was asked. */
type Show = (status: Status, connections: ConnectionReport | null) => void;

/**
 * `lastcall status --watch`: the status again at every change, until interrupted. On a terminal the whole picture,
 * renewed every second; in a pipe a plain line for each change; with `--json` one object a line, for each event.
 * @returns the exit code
 * @throws LastcallError `agent-unreachable` when the sidecar ends
 */
export async function watchStatus(context: Context, client: StatusClient): Promise<number> {
  const { ports, globals } = context;
  const interrupts = listenForInterrupts(ports, null);
  const over = new AbortController();
  const signal = AbortSignal.any([interrupts.signal, over.signal]);
  const show = chooseShow(context, client.isDirect);
  let connections: ConnectionReport | null = null;
  const see = (status: Status): void => {
    if (!isGoingOut(status)) connections = null;
    show(status, connections);
  };
  const renew = async (): Promise<void> => {
    const status = await client.status(signal);
    see(status);
    if (isGoingOut(status)) connections = await fetchConnections(client, signal);
  };
  if (globals.json !== true)
    void refresh(renew, ports.clock, signal).catch((error: unknown) => over.abort(error));
  try {
    for await (const { event, data } of client.events(signal)) if (event === 'status') see(data);
    // The sidecar ended the stream: the next request shows whether it still answers.
    await client.status(signal);
    return 0;
  } catch (error) {
    if (interrupts.first === null) throw error;
    return INTERRUPTED[interrupts.first];
  } finally {
    over.abort();
    interrupts.end();
  }
}

/** Repeats until the watching ends, or the sidecar does: the stream of events shows that. */
async function refresh(renew: () => Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await renew();
      await sleep(clock, REFRESH_MS, signal);
    }
  } catch (error) {
    if (!signal.aborted && !isLastcallError(error)) throw error;
  }
}

function chooseShow(context: Context, isDirect?: true): Show {
  const { ports, globals } = context;
  const { stdout, clock } = ports;
  if (globals.json === true) return (status) => writeStatus(context, status, null);
  if (stdout.isTTY !== true) return createLines(clock, (line) => stdout.write(`${line}\n`));
  return (status, connections) => {
    stdout.write(HOME_AND_CLEAR);
    writeStatus(context, status, connections, isDirect);
  };
}

function createLines(clock: Clock, say: (line: string) => unknown): Show {
  let last: { readonly phase: string; readonly words: string; readonly at: number } | null = null;
  let alarms: readonly string[] = [];
  return (status, connections) => {
    const time = clock.wall().toISOString();
    for (const alarm of status.alarms)
      if (!alarms.includes(alarm)) say(`${time} ${status.node} ALARM ${alarm}`);
    alarms = status.alarms;
    const words = sessionsText(status.sessions.total);
    const at = clock.now();
    if (last?.phase === status.phase && (last.words === words || at - last.at < LINE_MS)) return;
    last = { phase: status.phase, words, at };
    const more = [forecastText(status), connections === null ? '' : connectionSummary(connections)].filter(
      (text) => text !== '',
    );
    say(`${time} ${status.node} ${status.phase}: ${[words, ...more].join('; ')}`);
  };
}
