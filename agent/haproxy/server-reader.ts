import { LastcallError } from '../system/error.ts';
import { reloadError } from './spoilt-by-reload.ts';
import type { LookScope } from '../lifecycle/model/observation.ts';
import {
  showBackend,
  showInfo,
  showServer,
  showServerAndBackend,
  showServersState,
  batch,
  type Command,
} from './command.ts';
import { parseInfo, type Info } from './replies/show-info.ts';
import type { ServerName } from './names.ts';
import { answersOf, contextOf, type Reply } from './reply.ts';
import { parseServersState, type ServerStateRow } from './replies/show-servers-state.ts';
import { parseStats, type StatRow } from './replies/show-stat.ts';

/** One exchange within the caller's deadline. */
export type SendCommand = (command: Command) => Promise<Reply>;

/** The values of one server in one line; all of one worker, since it came on one connection. */
export interface RowReading {
  readonly info: Info;
  readonly row: StatRow;
  /** The BACKEND row; null where it was not asked for, or is not what it should be. */
  readonly backend: StatRow | null;
  readonly reply: Reply;
}

export interface FullReading extends RowReading {
  /** With the admin bits. */
  readonly state: ServerStateRow;
  readonly backend: StatRow;
}

export interface ServerReader {
  /**
   * One connection and one row, whatever the size of HAProxy's configuration.
   * @param scope `own` by default; `capacity`: the BACKEND row as well
   * @throws LastcallError as the exchange, and `no-such-server`
   */
  read(ask: SendCommand, name: ServerName, scope?: LookScope): Promise<RowReading>;
  /** The row, the admin bits and the BACKEND row; the answer grows with the backend. */
  readFull(ask: SendCommand, name: ServerName): Promise<FullReading>;
  /** Where the server was found last, if it was. */
  idsOf(name: ServerName): ServerIds | undefined;
}

/** HAProxy's numbers of a server. They are positions: a reload may give them to another one. */
export interface ServerIds {
  readonly backendId: number;
  readonly serverId: number;
}

/**
 * Finds servers by name once and then asks by number, checking the names in every answer: numbers move on a reload,
 * and a name alone may be a frontend's too, whose servers are none (tried on 2.6.12).
 */
export function createServerReader(): ServerReader {
  const ids = new Map<string, ServerIds>();
  const keyOf = (name: ServerName): string => `${name.backend}/${name.server}`;
  const found = async <T>(
    ask: SendCommand,
    name: ServerName,
    readAt: (position: ServerIds) => Promise<T | null>,
  ): Promise<T> => {
    const key = keyOf(name);
    const known = ids.get(key);
    const first = known === undefined ? null : await readAt(known);
    if (first !== null) return first;
    const position = await locate(ask, name);
    ids.set(key, position);
    return (await readAt(position)) ?? (await vanished(ask, name));
  };
  return {
    read: (ask, name, scope = 'own') => found(ask, name, (position) => rowAt(ask, name, position, scope)),
    readFull: (ask, name) => found(ask, name, (position) => allAt(ask, name, position)),
    idsOf: (name) => ids.get(keyOf(name)),
  };
}

async function rowAt(
  ask: SendCommand,
  name: ServerName,
  position: ServerIds,
  scope: LookScope,
): Promise<RowReading | null> {
  const show = scope === 'own' ? showServer : showServerAndBackend;
  const reply = await ask(batch(showInfo(), show(position)));
  const [info = '', stats = ''] = answersOf(reply);
  const [first, ...more] = parseStats(stats, reply);
  const row = only(first === undefined ? [] : [first], name.backend, name.server);
  if (row === null || (scope === 'own' && more.length > 0)) return null;
  return { info: parseInfo(info, reply), row, backend: only(more, name.backend, 'BACKEND'), reply };
}

async function allAt(ask: SendCommand, name: ServerName, position: ServerIds): Promise<FullReading | null> {
  const reply = await ask(
    batch(showInfo(), showServer(position), showBackend(position), showServersState(name.backend)),
  );
  const [info = '', own = '', all = '', states = ''] = answersOf(reply);
  const row = only(parseStats(own, reply), name.backend, name.server);
  const backend = only(parseStats(all, reply), name.backend, 'BACKEND');
  const state = stateIn(parseServersState(states, reply), name);
  if (row === null || backend === null || state === null) return null;
  return { info: parseInfo(info, reply), row, backend, state, reply };
}

/** The one row, if it is the one that was meant. */
function only(rows: readonly StatRow[], pxname: string, svname: string): StatRow | null {
  const [row, ...more] = rows;
  if (row === undefined || more.length > 0) return null;
  return row.text('pxname') === pxname && row.text('svname') === svname ? row : null;
}

function stateIn(states: readonly ServerStateRow[], name: ServerName): ServerStateRow | null {
  return states.find(({ server }) => server === name.server) ?? null;
}

async function locate(ask: SendCommand, name: ServerName): Promise<ServerIds> {
  const reply = await ask(showServersState(name.backend));
  const states = parseServersState(answersOf(reply)[0] ?? '', reply);
  const found = stateIn(states, name);
  if (found !== null) return found;
  const seen = states.slice(0, 10).map(({ server }) => server);
  const there =
    seen.length === 0
      ? 'it has none'
      : `it has ${seen.join(', ')}${states.length > seen.length ? '...' : ''}`;
  throw new LastcallError(
    'no-such-server',
    `${reply.target}: backend ${name.backend} has no server ${name.server}: ${there}`,
    {
      ...contextOf(reply),
      target: `${name.backend}/${name.server}`,
      next: 'write the name of one that HAProxy has',
    },
  );
}

/** It was found by name, and yet its row is not there: a reload in between, or a `disabled` backend without rows. */
async function vanished(ask: SendCommand, name: ServerName): Promise<never> {
  const reply = await ask(showInfo());
  throw reloadError(`${reply.target}: HAProxy shows no statistics of ${name.backend}/${name.server}`, {
    ...contextOf(reply),
    next: 'ask again (a reload may be under way); see that the backend is not `disabled`',
  });
}
