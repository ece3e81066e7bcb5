import type { ServerName } from '../names.ts';

/**
 * What a stream does at its server: `queued` waits for it, `request` is served (or connects), `tunnel` is a websocket,
 * a CONNECT or TCP, and `over` has let go of the server while its client still reads.
 */
export type Stage = 'queued' | 'request' | 'tunnel' | 'over';

/** One line of `show sess`. Neither the client's address nor any text of the client's is read. */
export interface StreamLine {
  /** HAProxy's name of it, `0x...`: a place in memory that another stream may have a moment later. */
  readonly pointer: string;
  readonly ageSeconds: number;
  readonly stage: Stage;
}

/** What every line has once, but for the streams of HAProxy's own (peers), which come from nowhere. */
const WHOSE = /^0x[0-9a-f]+: proto=\S+(?: src=.* fe=\S+ be=(\S+) srv=(\S+))? ts=/;
/** `src=` may be a path; names have neither blanks nor `=`. */
const LINE =
  /^(0x[0-9a-f]+): .*? be=(\S+) srv=(\S+) .*? age=(\S+) .*?\brq\[f=[^\]]*?\ban=([0-9a-f]+)h[^\]]*\].*? (?:scb|s1|sib)=\[(\d+),/;

/**
 * The stream of this server in a line of `show sess`.
 * @returns null for another server's
 * @throws `unreadable(line)` for a line without a server, and for a stream of this server that cannot be read: it
 *   must not go uncounted
 */
export function parseStream(
  line: string,
  { backend, server }: ServerName,
  unreadable: (line: string) => Error,
): StreamLine | null {
  const whose = WHOSE.exec(line);
  if (whose === null || line.split(' be=').length > 2) throw unreadable(line);
  if (whose[1] !== backend || whose[2] !== server) return null;
  const [, pointer, , , age = '', analysers = '', state = ''] = LINE.exec(line) ?? [];
  const ageSeconds = secondsOf(age);
  if (pointer === undefined || ageSeconds === null) throw unreadable(line);
  return { pointer, ageSeconds, stage: stageOf(Number(state), Number.parseInt(analysers, 16)) };
}

/** States of the server's side of a stream (HAProxy's stconn-t.h, the same numbers in 2.4 and 2.6). */
const QUEUED = 2;
const ESTABLISHED = 8;
/** AN_REQ_HTTP_XFER_BODY (channel-t.h), set from the forwarded request to the end of the answer, and not in a tunnel. */
const HTTP_TRANSFER = 0x8000;

/** Tried on 2.6.12: a request, a download, a queued one, a websocket, a CONNECT and TCP. */
function stageOf(state: number, analysers: number): Stage {
  if (state === QUEUED) return 'queued';
  if (state > ESTABLISHED) return 'over';
  return state === ESTABLISHED && (analysers & HTTP_TRANSFER) === 0 ? 'tunnel' : 'request';
}

const UNITS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;

/** HAProxy's `2h3m` or `5s`: its two largest units. */
function secondsOf(age: string): number | null {
  if (!/^(\d+[dhms])+$/.test(age)) return null;
  const parts = [...age.matchAll(/(\d+)([dhms])/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit as keyof typeof UNITS], 0);
}

/** Whose stream an answer to `show sess POINTER` shows; null when there is none. */
export function streamServer(answer: string): ServerName | null {
  const backend = /^ {2}backend=(\S+)/m.exec(answer)?.[1];
  const server = /^ {2}server=(\S+)/m.exec(answer)?.[1];
  return backend === undefined || server === undefined ? null : { backend, server };
}
