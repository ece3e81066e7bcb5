import { once } from 'node:events';
import { connect } from 'node:net';
import { ask } from './haproxy.ts';
import { until } from './until.ts';

/** An entry of a stick table of strings, as one HAProxy tells another (doc/peers-v2.0.txt, src/peers.c). */
export interface PeerEntry {
  readonly key: string;
  readonly serverId: number;
  /** Missing: the entry has none. */
  readonly serverKey?: string;
  /** Milliseconds left; missing: the table's whole `expire`. */
  readonly leftMs?: number;
}

export interface Teacher {
  /** Where the HAProxy's own peer listens, and its name. */
  readonly port: number;
  readonly pupil: string;
  /** Our own name in its `peers` section. */
  readonly teacher: string;
  readonly table: string;
  /** Bytes of the table's key (`len`) and its `expire`. */
  readonly keyLength: number;
  readonly expireMs: number;
}

const [UPDATE, DEFINE, TIMED] = [0x80, 0x82, 0x85];
/** The data that entries of `stick on` carry: server_id and server_key, by their bits. */
const DATA = 2 ** 0 + 2 ** 19;
const STRING = 6;
const BATCH = 2_000;

/**
 * Puts entries of any kind into a table, as fast as HAProxy takes them: by its Runtime API no entry gets a
 * `server_key`, and by real users it takes a request each.
 * @param socket its stats socket, to see when all of them are there
 * @param known how many of them the table has already, which only get a new life: the others have to come last
 */
export async function teach(
  socket: string,
  teacher: Teacher,
  entries: readonly PeerEntry[],
  known = 0,
): Promise<void> {
  const { port, pupil, teacher: own, table, keyLength, expireMs } = teacher;
  const before = await usedOf(socket, table);
  const connection = connect({ host: '127.0.0.1', port });
  await once(connection, 'connect');
  // It hangs up on a peer that is silent for some seconds, as one on a busy machine is.
  const closed = once(connection, 'close').then((): never => {
    throw new Error(`HAProxy has closed the connection of its peer ${own}`);
  });
  closed.catch(() => undefined);
  const send = async (bytes: Buffer): Promise<void> => {
    if (!connection.write(bytes)) await Promise.race([once(connection, 'drain'), closed]);
  };
  try {
    const greeted = once(connection, 'data') as Promise<[Buffer]>;
    connection.write(`HAProxyS 2.1\n${pupil}\n${own} 1 0\n`);
    const [answer] = await Promise.race([greeted, closed]);
    if (!answer.toString().startsWith('200\n')) throw new Error(`the peer says ${answer.toString()}`);
    connection.resume();
    const name = Buffer.from(table);
    const definition = [
      vint(1),
      vint(name.length),
      name,
      vint(STRING),
      vint(keyLength + 1),
      vint(DATA),
      vint(expireMs),
    ];
    await send(message(DEFINE, ...definition));
    const dictionary = new Map<string, number>();
    for (let from = 0; from < entries.length; from += BATCH) {
      const batch = entries.slice(from, from + BATCH);
      await send(Buffer.concat(batch.map((entry, at) => updateOf(entry, from + at, dictionary))));
    }
    const wanted = before + entries.length - known;
    await until(`${wanted} entries in ${table}`, async () => (await usedOf(socket, table)) === wanted);
  } finally {
    connection.destroy();
  }
}

function updateOf(
  { key, serverId, serverKey, leftMs }: PeerEntry,
  id: number,
  known: Map<string, number>,
): Buffer {
  const text = Buffer.from(key, 'latin1');
  const timed = leftMs === undefined ? [] : [four(leftMs)];
  const data = [vint(serverId), serverKey === undefined ? vint(0) : wordOf(serverKey, known)];
  return message(leftMs === undefined ? UPDATE : TIMED, four(id), ...timed, vint(text.length), text, ...data);
}

/** A word of the connection's dictionary: in full the first time, then by its number. */
function wordOf(word: string, known: Map<string, number>): Buffer {
  const number = known.get(word);
  if (number !== undefined) return Buffer.concat([vint(1), vint(number)]);
  // It has 128 places; those after them are sent in full, each at the last one.
  const place = Math.min(known.size + 1, 128);
  if (place < 128) known.set(word, place);
  const text = Buffer.from(word);
  const body = Buffer.concat([vint(place), vint(text.length), text]);
  return Buffer.concat([vint(body.length), body]);
}

function message(type: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(0x0a, type), vint(body.length), body]);
}

function four(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

/** HAProxy's own variable-length numbers (`intencode`). */
function vint(number: number): Buffer {
  if (number < 240) return Buffer.of(number);
  const bytes = [(number % 16) + 240];
  let rest = Math.floor((number - 240) / 16);
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor((rest - 128) / 128);
  }
  return Buffer.from([...bytes, rest]);
}

async function usedOf(socket: string, table: string): Promise<number> {
  const tables = await ask(socket, 'show table');
  return Number(
    tables
      .split('\n')
      .find((line) => line.startsWith(`# table: ${table},`))
      ?.split('used:')[1],
  );
}
