import { normalize } from 'node:path';
import { LastcallError, type Code } from '../system/error.ts';
import { SOCKET_PATH_BYTES } from '../system/limits.ts';

/** Where a Runtime API listens. */
export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp' | 'tls'; readonly host: string; readonly port: number };

/**
 * Reads `unix:/path`, `/path`, `tcp://host:port` or `tls://host:port`.
 * @param code what a wrong one is to the caller: `usage` on a command line, `config` in a file
 * @throws LastcallError with that code
 */
export function parseAddress(text: string, code: Extract<Code, 'usage' | 'config'>): Address {
  const path = text.startsWith('unix:') ? text.slice('unix:'.length) : text;
  if (path.startsWith('/')) return unixAddress(text, path, code);
  if (text.startsWith('tcp://') || text.startsWith('tls://')) return tcpAddress(text, code);
  throw refused(text, 'it is no address of a Runtime API', code);
}

/** True for an address that only processes of this machine can have: a socket file, or one of the loopback's. */
export function isThisMachine(address: Address): boolean {
  if (address.kind === 'unix') return true;
  return /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i.test(address.host);
}

function unixAddress(text: string, path: string, code: Code): Address {
  // A control character in a path can only be a mistake, and would garble every message that names it.
  if (/\p{Cc}/u.test(path)) throw refused(text, 'its path holds a control character', code);
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_BYTES)
    throw refused(
      text,
      `its path has ${bytes} bytes, at most ${SOCKET_PATH_BYTES} can be connected to`,
      code,
    );
  return { kind: 'unix', path };
}

function tcpAddress(text: string, code: Code): Address {
  const [, kind, bracketed, plain, digits] =
    /^(tcp|tls):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535)
    throw refused(text, `it is not ${text.slice(0, 3)}://host:port`, code);
  return { kind: kind === 'tls' ? 'tls' : 'tcp', host, port };
}

function refused(text: string, why: string, code: Code): LastcallError {
  const shown = JSON.stringify(text);
  return new LastcallError(code, `${shown}: ${why}`, {
    target: shown,
    next: 'write unix:/path, /path, tcp://host:port or tls://host:port',
  });
}

/** An address as it is connected to, to compare it by: `unix:/run//a.sock` and `/run/a.sock` are one. */
export function plainAddress(written: string): string {
  const path = written.replace(/^unix:/, '');
  return path.startsWith('/') ? normalize(path) : written;
}
