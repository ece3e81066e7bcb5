import { createSecureContext, type ConnectionOptions, type SecureContext, type TLSSocket } from 'node:tls';
import type { TlsMaterial } from './tls.ts';

/**
 * The last TLS session with one HAProxy. Each exchange has a connection of its own, and its handshake costs HAProxy twenty times
 * what the answer does: 1.4 ms with P-256, 0.9 ms where it is resumed (2.6.12; 0.8 and 0.55 ms on 3.2.26). A resumed one checks no
 * certificate again, for as long as HAProxy keeps sessions (`tune.ssl.lifetime`, 300 s by default) and lives: a reload begins anew.
 */
export interface TlsSession {
  /** What to connect with; made anew as soon as a certificate of ours, its key or the CA is another one. @throws what OpenSSL does */
  optionsFor(material: TlsMaterial): Pick<ConnectionOptions, 'secureContext' | 'session'>;
  /** Keeps what this connection is given. */
  keepOf(socket: TLSSocket): void;
}

export function createTlsSession(): TlsSession {
  let last: { readonly material: TlsMaterial; readonly secureContext: SecureContext } | null = null;
  let session: Buffer | null = null;
  return {
    optionsFor(material) {
      if (last === null || !isSame(last.material, material)) {
        const { ca, cert, key } = material;
        last = { material, secureContext: createSecureContext({ ca, cert, key }) };
        session = null;
      }
      return { secureContext: last.secureContext, ...(session && { session }) };
    },
    keepOf(socket) {
      const from = last;
      socket.on('session', (given: Buffer) => {
        if (last === from) session = given;
      });
      // What fails may fail because of it.
      socket.once('error', () => void (session = null));
    },
  };
}

function isSame(one: TlsMaterial, other: TlsMaterial): boolean {
  return one.ca.equals(other.ca) && one.cert.equals(other.cert) && one.key.equals(other.key);
}
