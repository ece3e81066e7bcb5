/** Checks of header fields of HTTP, as in validators.ts: the answer is what is wrong, without the value. Pure. */

const MAX_NAME = 64;
const MAX_VALUE = 4_096;
/** The most header fields of the configuration in one request. */
export const MAX_HEADERS = 32;

/** Fields that make the connection and the length of the message, or that would change what is counted. */
const OURS: ReadonlySet<string> = new Set([
  'accept-encoding', // A packed answer that was cut could be read as a smaller count.
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The name of a header field (RFC 9110, `token`); those that belong to the connection are lastcall's own. */
export function headerNameProblem(name: string): string | undefined {
  if (name.length > MAX_NAME || !/^[A-Za-z0-9][A-Za-z0-9!#$%&'*+.^_`|~-]*$/.test(name))
    return `is not the name of a header, write for example X-Tenant, at most ${MAX_NAME} characters`;
  return OURS.has(name.toLowerCase())
    ? 'belongs to the connection or to how the answer is packed, which is not yours to set'
    : undefined;
}

/** The value of the header field `name`; it is never repeated, for it may be a secret. */
export function headerValueProblem(name: string, value: string): string | undefined {
  if (value === '') return 'must not be empty';
  if (value.length > MAX_VALUE) return `is longer than ${MAX_VALUE} characters`;
  if (!/^[\t\x20-\x7e]*$/.test(value))
    return 'holds a line end, another control character, or one that is not ASCII';
  if (value.trim() !== value) return 'begins or ends with a blank (is a variable in it empty?)';
  const isHost = /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(value);
  return name.toLowerCase() === 'host' && !isHost ? 'is not a host, write NAME or NAME:PORT' : undefined;
}
