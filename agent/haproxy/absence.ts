import { isLastcallError, type LastcallError } from '../system/error.ts';
import { getWeight, showInfo, showServer, batch } from './command.ts';
import { parseInfo, sameProcess, type Info } from './replies/show-info.ts';
import type { LookScope } from '../lifecycle/model/observation.ts';
import type { ServerName } from './names.ts';
import type { SendCommand, ServerIds, ServerReader, RowReading } from './server-reader.ts';
import { reloadError } from './spoilt-by-reload.ts';
import { answersOf } from './reply.ts';
import { parseStats } from './replies/show-stat.ts';

/** An answer of a worker that does not have the server. */
export interface Absence {
  readonly info: Info;
  /** HAProxy's message, and how the server was removed, where that was seen. */
  readonly absent: string;
}

export interface Absences {
  /**
   * A reading of the server, or that this worker has none of that name.
   * @param scope as of `Reader.read`
   * @throws LastcallError as the exchange
   */
  read(ask: SendCommand, name: ServerName, scope?: LookScope): Promise<RowReading | Absence>;
  /** Notes that this worker has the server. */
  present(name: ServerName, info: Info): void;
}

interface AbsenceMemory {
  /** The worker that has it, or does not have it. */
  readonly info: Info;
  readonly absent: string | null;
}

/** Distinguishes a server that is not there from a HAProxy that cannot be asked. */
export function createAbsences(reader: ServerReader): Absences {
  const known = new Map<string, AbsenceMemory>();
  const keyOf = ({ backend, server }: ServerName): string => `${backend}/${server}`;
  const present = (name: ServerName, info: Info): void => {
    known.set(keyOf(name), { info, absent: null });
  };
  const find = async (
    ask: SendCommand,
    name: ServerName,
    scope?: LookScope,
  ): Promise<RowReading | string> => {
    try {
      const reading = await reader.read(ask, name, scope);
      present(name, reading.info);
      return reading;
    } catch (error) {
      if (!isLastcallError(error) || error.code !== 'no-such-server') throw error;
      return error.message;
    }
  };
  const search = async (
    ask: SendCommand,
    name: ServerName,
    scope?: LookScope,
  ): Promise<RowReading | Absence> => {
    const before = known.get(keyOf(name));
    const first = await find(ask, name, scope);
    if (typeof first !== 'string') return first;
    // The list and the pid come by two connections: only the same pid before and after it proves that this worker made the list.
    const info = await infoOf(ask);
    const why = await find(ask, name, scope);
    if (typeof why !== 'string') return why;
    if (!sameProcess(info, await infoOf(ask))) throw reloaded(name);
    // Already known to be gone, and how: a later worker adds nothing to that.
    const trace = { before, info, place: reader.idsOf(name) };
    const absent = before?.absent ?? (await howItWent(ask, name, why, trace));
    known.set(keyOf(name), { info, absent });
    return { info, absent };
  };
  return {
    present,
    async read(ask, name, scope) {
      const last = known.get(keyOf(name));
      if (!last || last.absent === null) return search(ask, name, scope);
      const info = await stillWithout(ask, name);
      if (info === null || !sameProcess(last.info, info)) return search(ask, name, scope);
      return { info, absent: last.absent };
    },
  };
}

function reloaded({ backend, server }: ServerName): LastcallError {
  const target = `${backend}/${server}`;
  return reloadError(`HAProxy was reloaded while it was asked for ${target}`, { target });
}

async function infoOf(ask: SendCommand): Promise<Info> {
  const reply = await ask(showInfo());
  return parseInfo(answersOf(reply)[0] ?? '', reply);
}

/**
 * Searching for a name costs the list of its backend; `get weight` answers in one line that there is none, at every
 * level of a socket (seen on 2.2.9, 2.6.12, 3.0.11 and 3.2.26). After `add server` a worker has it again without a
 * reload.
 * @returns the worker that answered so; null where there is one of that name
 */
async function stillWithout(ask: SendCommand, name: ServerName): Promise<Info | null> {
  const reply = await ask(batch(showInfo(), getWeight(name)));
  try {
    answersOf(reply);
    return null;
  } catch (error) {
    if (!isLastcallError(error) || error.code !== 'no-such-server') throw error;
    return parseInfo(reply.text.split('\n\n')[0] ?? '', reply);
  }
}

interface Trace {
  readonly before: AbsenceMemory | undefined;
  readonly info: Info;
  readonly place: ServerIds | undefined;
}

/**
 * @param why HAProxy's answer
 * @returns the sentence, without a full stop
 */
async function howItWent(
  ask: SendCommand,
  { backend, server }: ServerName,
  why: string,
  { before, info, place }: Trace,
): Promise<string> {
  const isBackend = !why.includes('has no server');
  const what = isBackend ? `the backend ${backend} of ${backend}/${server}` : `${backend}/${server}`;
  if (!before) return `HAProxy does not have ${what} (${why})`;
  if (!sameProcess(before.info, info))
    return `${what} was removed from HAProxy by a reload or restart (${why})`;
  const now = isBackend || !place ? null : await nameAt(ask, backend, place);
  if (now !== null && now !== server)
    return `${what} was renamed or replaced in HAProxy at run time: ${backend}/${now} has its number now`;
  return `${what} was removed from HAProxy at run time (${why})`;
}

/** The server of that backend that has this number now; null = none. */
async function nameAt(ask: SendCommand, backend: string, place: ServerIds): Promise<string | null> {
  const reply = await ask(batch(showInfo(), showServer(place)));
  const [, stats = ''] = answersOf(reply);
  const [row, ...more] = parseStats(stats, reply);
  if (row === undefined || more.length > 0 || row.text('pxname') !== backend) return null;
  return row.text('svname') ?? null;
}
