import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsMaterial, TlsSession } from './tls.ts';

/** @returns a memory without a session yet */
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
      // The connection may have failed because of the resumed session.
      socket.once('error', () => void (session = null));
    },
  };
}

function isSame(one: TlsMaterial, other: TlsMaterial): boolean {
  return one.ca.equals(other.ca) && one.cert.equals(other.cert) && one.key.equals(other.key);
}
