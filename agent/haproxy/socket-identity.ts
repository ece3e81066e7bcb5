import { readlinkSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { randomId } from '../system/random-id.ts';
import { type Address, isThisMachine } from './address.ts';

/**
 * Identifies a Runtime API by a text that two sidecars have in common only where they ask the same HAProxy. A socket
 * file is named with its directory, since a container has another one of that path, and a loopback address with its
 * network namespace; both with the boot of the machine. Two addresses of one HAProxy that are written differently differ here.
 * @param text the address as the configuration has it
 */
export function socketIdentity(text: string, address: Address, bootId: string): string {
  if (!isThisMachine(address)) return text;
  const where = address.kind === 'unix' ? directoryOf(address.path) : networkNamespace();
  return `${text} of boot ${bootId}, ${where}`;
}

/** HAProxy makes the socket anew at each reload, and its directory at a restart at most. */
function directoryOf(path: string): string {
  try {
    const { dev, ino } = statSync(dirname(path));
    return `directory ${dev}:${ino}`;
  } catch {
    // The directory is unknown: no other sidecar has this random text.
    return `directory unknown ${randomId()}`;
  }
}

function networkNamespace(): string {
  return readlinkSync('/proc/self/ns/net');
}
