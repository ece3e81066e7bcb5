import { isIP } from 'node:net';
import { parseAddress } from '../haproxy/address.ts';
import { parseServerName, SERVER_NAME_RULE } from '../haproxy/names.ts';
import { isLastcallError } from '../system/error.ts';
import { SOCKET_PATH_BYTES } from '../system/limits.ts';
import { hasUnprintable } from '../system/printable.ts';

/**
 * Checks of texts, one kind each: the answer is what is wrong with it, or undefined. It does not repeat the text,
 * which may be a secret out of the environment. Pure.
 */

const MAX_PORT = 65_535;
/** The longest free text: a reason is one line of a log. */
const MAX_LINE = 500;

/** Free text, such as a reason: one line, which other operators read in logs and on terminals. */
export function lineProblem(text: string): string | undefined {
  if (text.trim() === '') return 'must be a text that is not empty';
  if (text.length > MAX_LINE) return `is longer than ${MAX_LINE} characters`;
  // Such characters would forge lines in a log, move a terminal's cursor, or reverse the text after them.
  return hasUnprintable(text) ? 'must be one line without control or format characters' : undefined;
}

export function pathProblem(text: string): string | undefined {
  if (!text.startsWith('/')) return 'must be an absolute path';
  if (/\p{Cc}/u.test(text)) return 'a path holds no control characters';
  return text.endsWith('/') ? 'must name a file, not a directory' : undefined;
}

/** A path that a unix socket can have. */
export function socketPathProblem(text: string): string | undefined {
  return tooLongForSocket(text) ?? pathProblem(text);
}

/** The kernel's limit counts bytes, not characters. */
export function tooLongForSocket(text: string): string | undefined {
  const bytes = Buffer.byteLength(text);
  if (bytes <= SOCKET_PATH_BYTES) return undefined;
  return `is ${bytes} bytes long, the path of a unix socket has at most ${SOCKET_PATH_BYTES}`;
}

export function urlProblem(text: string): string | undefined {
  if (/\s/.test(text) || !URL.canParse(text)) return 'is not a URL';
  const { protocol } = new URL(text);
  return protocol === 'http:' || protocol === 'https:' ? undefined : 'must begin with http:// or https://';
}

/** Where an etcd is: it has no path, and its JSON gateway knows no user of a URL. */
export function etcdEndpointProblem(text: string): string | undefined {
  const problem = urlProblem(text);
  if (problem !== undefined) return problem;
  const { username, password, pathname, search, hash } = new URL(text);
  if (username !== '' || password !== '')
    return 'names no user: etcd takes none in its URL, and its users and roles (`etcdctl auth enable`) are not supported';
  const isPlain = pathname === '/' && search === '' && hash === '';
  return isPlain ? undefined : 'ends with its port, such as http://10.0.0.9:2379';
}

/** Reads `host:port` or `[::1]:port`. */
export function readEndpoint(text: string): { readonly host: string; readonly port: number } | undefined {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const [, six, other, digits] = parts ?? [];
  const host = six ?? other ?? '';
  const port = Number(digits);
  if (parts === null || port < 1 || port > MAX_PORT) return undefined;
  if (six !== undefined) return isIP(six) === 6 ? { host, port } : undefined;
  return isHost(host) ? { host, port } : undefined;
}

/** An IPv4 address or a host name; digits and dots only are meant as an address. */
function isHost(host: string): boolean {
  if (/^[\d.]+$/.test(host)) return isIP(host) === 4;
  return host.length <= 253 && /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(host);
}

/** HAProxy's Runtime API, by the rule of the client that connects to it. */
export function balancerAddressProblem(text: string): string | undefined {
  const path = text.replace(/^unix:/, '');
  const tooLong = path.startsWith('/') ? tooLongForSocket(path) : undefined;
  if (tooLong !== undefined || accepts(() => parseAddress(text, 'config'))) return tooLong;
  return 'is not an address, write unix:/path, /path, tcp://host:port or tls://host:port';
}

/** HAProxy's master CLI: nothing in front of it speaks TLS. */
export function masterAddressProblem(text: string): string | undefined {
  const problem = text.startsWith('tls://') ? 'tls' : balancerAddressProblem(text);
  return problem === undefined ? undefined : 'is not an address, write unix:/path, /path or tcp://host:port';
}

/** `backend/server`, by the rule that also guards every command to HAProxy. */
export function serverNameProblem(text: string): string | undefined {
  if (accepts(() => parseServerName(text, 'config'))) return undefined;
  return `is not the name of a server, write backend/server with ${SERVER_NAME_RULE}`;
}

/** Does a reader that throws take its text? Its own message repeats the text, which is not done here. */
function accepts(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (isLastcallError(error)) return false;
    throw error;
  }
}

/** An IP address, or a block of them as `address/bits`. */
export function networkProblem(text: string): string | undefined {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  const good =
    family !== 0 &&
    more.length === 0 &&
    (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
  return good ? undefined : 'is not an address or a block such as 10.0.0.0/24';
}

/** A JSON pointer (RFC 6901): empty, or each step after a `/`, with `~0` for `~` and `~1` for `/`. */
export function pointerProblem(text: string): string | undefined {
  return /^(\/([^/~]|~[01])*)*$/.test(text)
    ? undefined
    : 'is not a JSON pointer such as /active or /data/0/count';
}

/** A node's name becomes a file name. */
export function nodeNameProblem(text: string): string | undefined {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(text)) return undefined;
  return 'a node name has 1 to 64 letters, digits, underscores, dots and dashes, and begins with neither of the last two';
}

/** HAProxy sends `agent-send` as one line; no reader would notice a blank in it. */
export function pollerIdProblem(text: string): string | undefined {
  return /^[\x21-\x7e]{1,128}$/.test(text)
    ? undefined
    : 'an id has 1 to 128 printable ASCII characters and no blank';
}

export function groupProblem(text: string): string | undefined {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/.test(text) ? undefined : 'is not the name of a group';
}

/** `0660` as a number, or undefined. */
export function readMode(text: string): number | undefined {
  return /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : undefined;
}
