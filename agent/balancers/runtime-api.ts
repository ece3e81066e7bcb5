import { parseAddress } from '../haproxy/address.ts';
import { createClient, type Client } from '../haproxy/client.ts';
import { setState, showInfo, showLevel, shutdownSessions, together } from '../haproxy/command.ts';
import { parseInfo, requireSupported } from '../haproxy/info.ts';
import { parseServerName, type ServerName } from '../haproxy/names.ts';
import { createReader, type Ask, type Reader } from '../haproxy/reader.ts';
import { answersOf, contextOf, expectDone, unexpected, withoutSeverity } from '../haproxy/reply.ts';
import type { Admin, Look, ServerSurvey, ServerView, Survey, Worker } from '../lifecycle/view.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import type { Balancer } from './balancer.ts';
import { factsOf, tablesStick, type Level } from './haproxy-facts.ts';
import { adminInText, fullViewOf, viewOf, type AdminState } from './haproxy-view.ts';
import { createTurns } from './turns.ts';

export interface RuntimeOptions {
  /** `unix:/path`, `/path` or `tcp://host:port`; also the balancer's name. */
  readonly address: string;
  /** `backend/server`, at least one. */
  readonly servers: readonly string[];
  /** For each call as a whole, waiting for its turn included, in milliseconds. */
  readonly timeoutMs: number;
  /** Somebody else writes (agent-check): `survey` then does not ask for level admin. */
  readonly readOnly?: boolean;
}

/**
 * A HAProxy told and asked by its Runtime API. Calls of one balancer run one after another, so no look falls between
 * a write and its read-back.
 * @throws LastcallError `config` for an address or a name that is none
 */
export function createRuntimeBalancer(options: RuntimeOptions, ports: { readonly clock: Clock }): Balancer {
  const { address, servers, timeoutMs } = options;
  const { clock } = ports;
  const desk: Desk = {
    client: createClient(address, parseAddress(address, 'config'), ports),
    reader: createReader(),
    names: new Map(servers.map((server) => [server, parseServerName(server, 'config')])),
    seen: new Map(),
  };
  const turns = createTurns();
  const inTurn = <T>(signal: AbortSignal, work: (ask: Ask) => Promise<T>): Promise<T> => {
    // Whoever is before us began earlier with the same time, so our own is not over before our turn.
    const until = clock.now() + timeoutMs;
    const ask: Ask = (command) => desk.client.exchange(command, until - clock.now(), signal);
    return turns.take(signal, () => work(ask));
  };
  return {
    name: address,
    servers,
    counts: true,
    look: (signal) => inTurn(signal, (ask) => look(desk, ask)),
    survey: (signal) => inTurn(signal, (ask) => survey(desk, ask, options.readOnly ?? false)),
    set: (server, admin, mayReplace, signal) =>
      inTurn(signal, (ask) => set(desk, ask, server, { admin, mayReplace })),
    closeSessions: (server, signal) =>
      inTurn(signal, async (ask) => expectDone(await ask(shutdownSessions(nameOf(desk, server))))),
  };
}

interface Desk {
  readonly client: Client;
  readonly reader: Reader;
  readonly names: ReadonlyMap<string, ServerName>;
  /** Where each server's state came from when its bits were last read, and from whom. */
  readonly seen: Map<string, AdminState & Worker>;
}

async function look(desk: Desk, ask: Ask): Promise<Look> {
  const servers: ServerView[] = [];
  let worker: Worker | null = null;
  for (const [server, name] of desk.names) {
    const glimpse = await glance(desk, ask, server, name);
    worker = sameWorker(desk, worker, glimpse.worker);
    servers.push(glimpse.view);
  }
  return { worker, servers };
}

interface Glimpse {
  readonly view: ServerView;
  readonly worker: Worker;
}

/** One row; the bits as well only where the text does not tell, or where nobody knows yet who put it there. */
async function glance(desk: Desk, ask: Ask, server: string, name: ServerName): Promise<Glimpse> {
  const reading = await desk.reader.read(ask, name);
  const { pid } = reading.info;
  const admin = adminInText(reading.row.text('status') ?? '');
  const seen = desk.seen.get(server);
  if (admin === 'ready') {
    desk.seen.delete(server);
    return { view: viewOf(server, reading, { admin, origin: 'none' }), worker: { pid } };
  }
  if (admin === null || seen?.admin !== admin || seen.pid !== pid) return inspect(desk, ask, server, name);
  return { view: viewOf(server, reading, { admin, origin: seen.origin }), worker: { pid } };
}

/** One server with its admin bits, on one connection. */
async function inspect(desk: Desk, ask: Ask, server: string, name: ServerName): Promise<Glimpse> {
  const reading = await desk.reader.readFull(ask, name);
  const view = fullViewOf(server, reading);
  const worker = { pid: reading.info.pid };
  desk.seen.set(server, { admin: view.admin, origin: view.origin, ...worker });
  return { view, worker };
}

async function survey(desk: Desk, ask: Ask, readOnly: boolean): Promise<Survey> {
  const level = await probe(ask, readOnly);
  const servers: ServerView[] = [];
  const facts: ServerSurvey[] = [];
  let worker: Worker | null = null;
  let tables: Promise<string | null> | undefined;
  for (const [server, name] of desk.names) {
    const reading = await desk.reader.readFull(ask, name);
    const view = fullViewOf(server, reading);
    const { row, backend } = reading;
    worker = sameWorker(desk, worker, { pid: reading.info.pid });
    servers.push(view);
    facts.push(await factsOf({ view, row, backend, level, tables: () => (tables ??= tablesStick(ask)) }));
  }
  return { worker, servers, facts };
}

/**
 * What this socket allows, and whether this HAProxy is new enough.
 * @throws LastcallError `not-permitted`
 */
async function probe(ask: Ask, readOnly: boolean): Promise<Level> {
  const reply = await ask(together(showLevel(), showInfo()));
  const [first = '', info = ''] = answersOf(reply);
  requireSupported(parseInfo(info, reply), reply);
  const level = withoutSeverity(first);
  if (level !== 'admin' && level !== 'operator' && level !== 'user') throw unexpected(reply, first);
  if (readOnly || level === 'admin') return level;
  throw new LastcallError(
    'not-permitted',
    `${reply.target}: this socket is of level ${level}, to drain a server needs level admin`,
    {
      ...contextOf(reply),
      next: 'give this `stats socket` the words `level admin`, or write `writer: agent-check` for this balancer',
    },
  );
}

interface Wish {
  readonly admin: Admin;
  readonly mayReplace: readonly Admin[];
}

async function set(desk: Desk, ask: Ask, server: string, { admin, mayReplace }: Wish): Promise<ServerView> {
  const name = nameOf(desk, server);
  const { view: found } = await inspect(desk, ask, server, name);
  if (found.admin === admin || !mayReplace.includes(found.admin)) return found;
  const reply = await ask(setState(name, admin));
  expectDone(reply);
  const { view: after } = await inspect(desk, ask, server, name);
  if (after.admin === admin) return after;
  throw new LastcallError(
    'failed',
    `${reply.target}: ${server} was set to ${admin} and is ${after.admin} (${after.origin})`,
    { ...contextOf(reply), target: `${server} at ${reply.target}`, next: NEXT[after.origin] },
  );
}

/** What to do about a state that did not change, by where it comes from. */
const NEXT: Readonly<Record<AdminState['origin'], string>> = {
  none: 'see who else writes the state of this server',
  forced: 'see who else writes the state of this server',
  config:
    'see why HAProxy cannot resolve its address (`MAINT (resolution)`), or `disabled` in its configuration',
  inherited: 'set the state of the server that this one tracks (`track` in the configuration of HAProxy)',
};

function nameOf(desk: Desk, server: string): ServerName {
  const name = desk.names.get(server);
  if (name !== undefined) return name;
  throw new LastcallError(
    'no-such-server',
    `${desk.client.target}: ${server} is not one of this node's servers`,
    {
      target: server,
      next: `name one of ${[...desk.names.keys()].join(', ')}`,
    },
  );
}

/** The servers of one look must come from one worker: halves of two workers are no state of anything. */
function sameWorker(desk: Desk, before: Worker | null, now: Worker): Worker {
  if (before === null || before.pid === now.pid) return now;
  const { target } = desk.client;
  throw new LastcallError(
    'balancer-unreachable',
    `${target}: HAProxy was reloaded while it was asked (pid ${before.pid}, then ${now.pid})`,
    { target, elapsedMs: 0, next: 'ask again' },
  );
}
