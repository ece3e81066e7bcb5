/**
 * Reads one entry of a stick table where it lies in a piece of HAProxy's answer: `0x55e1: key=KEY use=0 exp=1799994
 * shard=0 server_id=1 server_key=app1`.
 *
 * KEY is the user's own text, in which HAProxy escapes blanks, `=` and whatever is no printable ASCII (2.2.9,
 * 2.6.12, 3.0.11 and 3.2.26): behind its first blank HAProxy alone writes, so no user can forge or hide the rest.
 */

const BLANK = 0x20;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const EQUALS = 0x3d;
const KEY = Buffer.from(': key=');
const USE = Buffer.from(' use=');
const EXP = Buffer.from(' exp=');
const SERVER_ID = Buffer.from('server_id=');
const SERVER_KEY = Buffer.from('server_key=');
/** The fields before the data of an entry, each once: a second one is another entry's, whose line end was lost. */
const ONCE = ['key=', 'use=', 'exp='].map((name) => Buffer.from(name));

/** An entry without its key. */
export interface Entry {
  /** Where the value of `server_key` begins; it ends at `endOf`. -1 where the table stores none. */
  serverKeyAt: number;
  /** The number of the server in the backend that wrote it; -1 where the table stores none. */
  serverId: number;
  /** The milliseconds until HAProxy drops the entry; 0 where the table has no `expire`. */
  timeToLiveMs: number;
}

/** One to read into, again and again: there may be millions. */
export const blankEntry = (): Entry => ({ serverKeyAt: -1, serverId: -1, timeToLiveMs: 0 });

/**
 * @param entry is filled in
 * @returns false when the line is not an entry from its beginning to its end
 */
export function readEntry(bytes: Buffer, from: number, to: number, entry: Entry): boolean {
  let at = afterHex(bytes, from + 2, to);
  if (at === from + 2 || !startsWith(bytes, at, to, KEY)) return false;
  at = afterKey(bytes, at + KEY.length, to);
  if (!startsWith(bytes, at, to, USE)) return false;
  const exp = afterDigits(bytes, at + USE.length, to);
  if (exp === at + USE.length || !startsWith(bytes, exp, to, EXP)) return false;
  at = afterDigits(bytes, exp + EXP.length, to);
  entry.timeToLiveMs = numberAt(bytes, exp + EXP.length, at);
  entry.serverKeyAt = -1;
  entry.serverId = -1;
  while (at < to) {
    if (bytes[at] !== BLANK) return false;
    const next = readData(bytes, at + 1, to, entry);
    if (next < 0) return false;
    at = next;
  }
  return entry.timeToLiveMs >= 0;
}

/** The end of the value that begins at `at`. */
export function endOf(bytes: Buffer, at: number, to: number): number {
  let end = at;
  while (end < to && bytes[end] !== BLANK) end += 1;
  return end;
}

/** Whether the value that begins at `at` is this one. */
export function isValue(bytes: Buffer, at: number, to: number, value: Buffer): boolean {
  const end = at + value.length;
  return (end === to || bytes[end] === BLANK) && startsWith(bytes, at, to, value);
}

/**
 * One `name=value`.
 * @returns where it ends; -1 when it is none, or one that an entry has once and has had
 */
function readData(bytes: Buffer, at: number, to: number, entry: Entry): number {
  let equals = at;
  while (equals < to && bytes[equals] !== EQUALS && bytes[equals] !== BLANK) equals += 1;
  const end = endOf(bytes, equals, to);
  // Neither the name nor the value is empty.
  if (equals === at || equals >= end - 1) return -1;
  if (startsWith(bytes, at, end, SERVER_KEY)) {
    if (entry.serverKeyAt >= 0) return -1;
    entry.serverKeyAt = equals + 1;
  } else if (startsWith(bytes, at, end, SERVER_ID)) {
    if (entry.serverId >= 0) return -1;
    entry.serverId = numberAt(bytes, equals + 1, end);
    if (entry.serverId < 0) return -1;
  } else {
    for (const name of ONCE) if (startsWith(bytes, at, end, name)) return -1;
  }
  return end;
}

function afterHex(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== COLON) {
    const byte = bytes[at] as number;
    if (!isDigit(byte) && (byte < 0x61 || byte > 0x66)) return from;
    at += 1;
  }
  return at;
}

/** Up to its first blank that is not escaped. */
function afterKey(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== BLANK) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}

function afterDigits(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && isDigit(bytes[at] as number)) at += 1;
  return at;
}

/** -1 for what is no number. */
function numberAt(bytes: Buffer, from: number, to: number): number {
  if (from >= to || afterDigits(bytes, from, to) !== to) return -1;
  let number = 0;
  for (let at = from; at < to; at += 1) number = number * 10 + (bytes[at] as number) - 0x30;
  return number;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function startsWith(bytes: Buffer, at: number, to: number, text: Buffer): boolean {
  if (at + text.length > to) return false;
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[at + index] !== text[index]) return false;
  }
  return true;
}
