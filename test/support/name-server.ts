import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** A small DNS server on 127.0.0.1, whose names have the address 127.0.0.1 or none (NXDOMAIN). */
export interface NameServer {
  readonly port: number;
  /** Names that have an address now. */
  readonly known: Set<string>;
  stop(): void;
}

export async function startNameServer(...names: readonly string[]): Promise<NameServer> {
  const known = new Set(names);
  const socket = createSocket('udp4');
  socket.on('message', (query, { address, port }) => socket.send(answerTo(query, known), port, address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, known, stop: () => void socket.close() };
}

const HEADER_BYTES = 12;
const TYPE_A = 1;
/** A response to a recursive query; and with "no such name". */
const [FOUND, NO_NAME] = [0x81_80, 0x81_83];

function answerTo(query: Buffer, known: ReadonlySet<string>): Buffer {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const isKnown = known.has(labels.join('.').toLowerCase());
  const hasAddress = isKnown && query.readUInt16BE(at + 1) === TYPE_A;
  const head = Buffer.from(query.subarray(0, HEADER_BYTES));
  head.writeUInt16BE(isKnown ? FOUND : NO_NAME, 2);
  head.writeUInt16BE(hasAddress ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  // The name by a pointer to the question, type A, class IN, for one second: 127.0.0.1.
  const record = Buffer.from([0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
  return Buffer.concat([head, query.subarray(HEADER_BYTES, at + 5), ...(hasAddress ? [record] : [])]);
}

/** A `resolvers` section that asks it and forgets at once, and the words for a server line that use it. */
export function resolversBy({ port }: NameServer): { readonly section: string; readonly words: string } {
  const holds = ['valid', 'nx', 'obsolete', 'other', 'timeout', 'refused'].map(
    (what) => `  hold ${what} 100ms\n`,
  );
  return {
    section:
      `resolvers dns\n  nameserver one 127.0.0.1:${port}\n  resolve_retries 1\n` +
      `  timeout resolve 100ms\n  timeout retry 100ms\n${holds.join('')}`,
    words: 'resolvers dns init-addr none resolve-prefer ipv4',
  };
}
