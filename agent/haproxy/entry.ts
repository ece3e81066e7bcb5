/**
 * Reads one entry of a stick table where it lies in a piece of HAProxy's answer:
 * `0x55e1: key=KEY use=0 exp=1799994 shard=0 server_id=1 server_key=app1`.
 *
 * KEY is the user's own text. HAProxy escapes its blanks and `=`; all the same a line is read from its end and no
 * further than ` use=`, behind which HAProxy alone writes: no user can forge or hide what stands there.
 */

const BLANK = 0x20;
const USE = Buffer.from('use=');
const EXP = Buffer.from('exp=');
const SERVER_ID = Buffer.from('server_id=');
const SERVER_KEY = Buffer.from('server_key=');

/**
 * Where the value of `server_key` begins; it ends at `endOf`.
 * @returns -1 where the table stores none
 */
export const serverKeyAt = (bytes: Buffer, from: number, to: number): number =>
  valueAt(bytes, from, to, SERVER_KEY);

/**
 * @returns the number of the server in the backend that wrote it; -1 where the table stores none
 */
export const serverIdIn = (bytes: Buffer, from: number, to: number): number =>
  numberAt(bytes, valueAt(bytes, from, to, SERVER_ID), to);

/**
 * @returns the milliseconds until HAProxy forgets the entry; 0 where the table has no `expire`; -1 where none is told
 */
export const timeToLiveIn = (bytes: Buffer, from: number, to: number): number =>
  numberAt(bytes, valueAt(bytes, from, to, EXP), to);

/** The end of the value that begins at `at`. */
export function endOf(bytes: Buffer, at: number, to: number): number {
  let end = at;
  while (end < to && bytes[end] !== BLANK) end += 1;
  return end;
}

/** Whether the value that begins at `at` is this one. */
export function isValue(bytes: Buffer, at: number, to: number, value: Buffer): boolean {
  const end = at + value.length;
  return end <= to && (end === to || bytes[end] === BLANK) && startsWith(bytes, at, value);
}

function valueAt(bytes: Buffer, from: number, to: number, name: Buffer): number {
  for (let at = to - 1; at > from; at -= 1) {
    if (bytes[at] !== BLANK) continue;
    if (startsWith(bytes, at + 1, name)) return at + 1 + name.length;
    if (startsWith(bytes, at + 1, USE)) return -1;
  }
  return -1;
}

function numberAt(bytes: Buffer, at: number, to: number): number {
  if (at < 0) return -1;
  let number = 0;
  for (let index = at; index < to && bytes[index] !== BLANK; index += 1) {
    const digit = (bytes[index] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

function startsWith(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[at + index] !== text[index]) return false;
  }
  return true;
}
