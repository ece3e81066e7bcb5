import { showAllServers, showInfo, batch } from '../haproxy/command.ts';
import type { EntryDoubt, EntryFilter } from '../haproxy/replies/table-entries.ts';
import { parseInfo, type Info } from '../haproxy/replies/show-info.ts';
import { parseServerName, type ServerName } from '../haproxy/names.ts';
import { createServerReader, type SendCommand, type RowReading } from '../haproxy/server-reader.ts';
import { readEach } from '../haproxy/shared-lines.ts';
import { answersOf, unexpected } from '../haproxy/reply.ts';
import { endpointOf, serverKeys, type Endpoint } from '../haproxy/server-keys.ts';
import { parseServersState } from '../haproxy/replies/show-servers-state.ts';
import { isLastcallError, type LastcallError } from '../system/error.ts';

/** How one HAProxy names this node's servers in a stick table. */
export interface OwnServers {
  /**
   * One small exchange for each server, whatever the size of HAProxy's configuration.
   * @throws LastcallError as the exchange
   */
  find(ask: SendCommand): Promise<FoundServer>;
}

export interface FoundServer {
  readonly ours: EntryFilter;
  /** The workers that answered, for each server that is there. */
  readonly infos: readonly Info[];
  /** HAProxy's message when the server written at the source is none of this HAProxy's; else null. */
  readonly missing: LastcallError | null;
}

/**
 * @param listed the node's servers at this balancer, `backend/server`
 * @param written the server that the source names; null where it names none
 * @throws LastcallError `config` for a name that is none
 */
export function createOwnServers(listed: readonly string[], written: string | null): OwnServers {
  const reader = createServerReader();
  const names = new Set(written === null ? listed : [...listed, written]);
  const servers = [...names].map((text) => ({ text, name: parseServerName(text, 'config') }));
  /** The last known addresses: entries keep the address of a server whose name does not resolve just now. */
  const endpoints = new Map<string, Endpoint>();

  const readOne = async (ask: SendCommand, name: ServerName): Promise<RowReading | LastcallError> => {
    try {
      return await reader.read(ask, name);
    } catch (error) {
      if (isLastcallError(error) && error.code === 'no-such-server') return error;
      throw error;
    }
  };
  return {
    async find(ask) {
      const keys: string[] = [];
      const [numbers, keyless] = [new Set<number>(), new Set<number>()];
      const infos: Info[] = [];
      let [hidden, missing] = [false, null as LastcallError | null];
      const readings = await readEach(ask, servers, async (each, { text, name }) => ({
        text,
        name,
        reading: await readOne(each, name),
      }));
      for (const { text, name, reading } of readings) {
        if (isLastcallError(reading)) {
          if (text === written) missing = reading;
          // Its entries lead to no server any more: they count all the same until they run out, which is safe.
          keys.push(name.server);
          continue;
        }
        const { row, info, reply } = reading;
        infos.push(info);
        const endpoint = endpointOf(row.text('addr')) ?? endpoints.get(text) ?? null;
        if (endpoint === null) hidden = true;
        else endpoints.set(text, endpoint);
        keys.push(...serverKeys(name.server, endpoint));
        const id = row.count('sid');
        if (id === null) throw unexpected(reply, 'a row without `sid`');
        numbers.add(id);
        if (written === null || text === written) keyless.add(id);
      }
      return { ours: { keys, numbers, keyless, hidden }, infos, missing };
    },
  };
}

/** Whose are the entries in doubt: by name another server's of this HAProxy, or no server's, and then led by number. */
export interface Settled {
  readonly info: Info;
  readonly count: number;
  readonly longestMs: number;
}

/**
 * Asks for all servers of this HAProxy, which is done only where entries are in doubt: after a reload that moved the
 * numbers, or in a table that several backends share.
 * @throws LastcallError as the exchange
 */
export async function settleDoubts(
  ask: SendCommand,
  doubts: ReadonlyMap<string, EntryDoubt>,
): Promise<Settled> {
  const reply = await ask(batch(showInfo(), showAllServers()));
  const [info = '', states = ''] = answersOf(reply);
  const known = new Set(
    parseServersState(states, reply).flatMap(({ server, endpoint }) => serverKeys(server, endpoint)),
  );
  const ours = [...doubts].filter(([key]) => !known.has(key)).map(([, doubt]) => doubt);
  return {
    info: parseInfo(info, reply),
    count: ours.reduce((sum, { count }) => sum + count, 0),
    longestMs: Math.max(0, ...ours.map(({ longestMs }) => longestMs)),
  };
}
