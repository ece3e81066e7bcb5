import { readFile } from 'node:fs/promises';
import { isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { LastcallError, errnoOf, messageOf } from '../system/error.ts';
import { boundedLookup } from '../system/lookup.ts';
import type { ConnectError } from './connect-error.ts';

/** Files in PEM: the CAs that we trust, and our own certificate. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The contents of the files. */
export interface TlsMaterial {
  readonly files: TlsFiles;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/**
 * Read anew for each connection, so that a new certificate needs no restart.
 * @throws LastcallError `config` for a file that cannot be read
 */
export async function readTls(files: TlsFiles): Promise<TlsMaterial> {
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  return { files, ca, cert, key };
}

/**
 * The last TLS session with one HAProxy. Each exchange has a connection of its own, and its handshake costs HAProxy twenty times
 * what the answer does: 1.4 ms with P-256, 0.9 ms where it is resumed (2.6.12; 0.8 and 0.55 ms on 3.2.26). A resumed one checks no
 * certificate again, for as long as HAProxy keeps sessions (`tune.ssl.lifetime`, 300 s by default) and lives: a reload begins anew.
 */
export interface TlsSession {
  /** The options of a connection; made anew as soon as our certificate, its key or the CA has changed. @throws OpenSSL's error */
  optionsFor(material: TlsMaterial): Pick<ConnectionOptions, 'secureContext' | 'session'>;
  /** Keeps the session that HAProxy gives to this connection. */
  keepOf(socket: TLSSocket): void;
}

/** How a socket reads. */
export interface Reads {
  readonly onread?: OnReadOpts;
}

/**
 * Begins a TLS connection with our certificate. HAProxy's `stats socket` itself has no TLS: a `listen` section of
 * it has (haproxy/runtime-api-tls.cfg).
 * @param last resumed where it can be, and replaced by this connection's
 * @throws LastcallError `config` for an invalid file; no message contains its contents
 */
export function openTls(
  host: string,
  port: number,
  material: TlsMaterial,
  last: TlsSession,
  reads: Reads = {},
): Socket {
  const { files } = material;
  // SNI has names only (RFC 6066, 3); an address is checked against the certificate all the same.
  const name = isIP(host) === 0 ? { servername: host } : {};
  try {
    const options = {
      host,
      port,
      lookup: boundedLookup,
      rejectUnauthorized: true,
      ...name,
      ...last.optionsFor(material),
    };
    const socket = connect({ ...options, ...reads });
    last.keepOf(socket);
    return socket;
  } catch (cause) {
    const target = `${files.cert}, ${files.key}`;
    throw new LastcallError('config', `${target}: cannot be used for TLS: ${messageOf(cause)}`, {
      target,
      next: 'see that `ca` and `cert` are certificates in PEM, and that `key` belongs to `cert`',
    });
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new LastcallError('config', `${path}: cannot be read (${errnoOf(cause) ?? messageOf(cause)})`, {
      target: path,
      next: 'see that `tls` names files that this user may read',
      cause,
    });
  }
}

const OURS: Omit<ConnectError, 'text'> = {
  code: 'not-permitted',
  next: 'see that `cert` is valid and issued by the `ca-file` of that `bind` line',
};
const THEIRS: Omit<ConnectError, 'text'> = {
  code: 'not-permitted',
  next: 'see that its `crt` is issued by our `ca`, for this very host, and valid now',
};

/** The text of a TLS failure, by Node's and OpenSSL's codes; undefined for another one. */
export function tlsTrouble(code: string): ConnectError | undefined {
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return { ...THEIRS, text: `its certificate is not valid now (${code})` };
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return { ...THEIRS, text: 'its certificate is for another host' };
  if (/^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|INVALID_CA|ERROR_IN_CERT)/.test(code))
    return { ...THEIRS, text: `its certificate is not trusted (${code})` };
  if (/ALERT.*EXPIRED/.test(code)) return { ...OURS, text: 'our certificate was refused: it has expired' };
  if (/ALERT_(UNKNOWN_CA|.*CERTIFICATE|DECRYPT_ERROR|ACCESS_DENIED)/.test(code))
    return { ...OURS, text: `our certificate was refused (${code.replace(/^.*ALERT_/, '').toLowerCase()})` };
  if (/WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION/.test(code))
    return { text: `no common TLS (${code})`, next: 'see that a `bind ... ssl` listens there' };
  return undefined;
}
