import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { Log } from '../system/log-port.ts';
import { readSecret } from '../system/secret-file.ts';

/** The token that callers of `listen.hooks` have to show. */
export interface BearerToken {
  /** Whether this is the token, by the field `Authorization`. It takes the same time for every wrong one. */
  accepts(authorization: string | undefined): Promise<boolean>;
}

/** 128 bits in base64 are 22 characters; fewer than 16 can be guessed. */
const SHORTEST = 16;
/** A changed file counts within this time; a flood of callers does not load the disk. */
const READ_EVERY_MS = 1_000;

/**
 * Reads the token, and reads it anew for later calls: a new token needs no restart.
 * @param path null = callers need no token
 * @throws LastcallError `config`: it cannot be read, is too short, or may be changed by another user than its owner
 */
export async function openBearerToken(
  path: string | null,
  ports: { readonly clock: Clock; readonly log: Log },
): Promise<BearerToken> {
  if (path === null) return { accepts: () => Promise.resolve(true) };
  const { clock, log } = ports;
  let digest = digestOf(await read(path));
  let readAt = clock.now();
  const refresh = async (): Promise<void> => {
    if (clock.now() - readAt < READ_EVERY_MS) return;
    readAt = clock.now();
    try {
      digest = digestOf(await read(path));
    } catch (error) {
      log.error('the token of listen.hooks cannot be read: the one of before is asked for', { error });
    }
  };
  return {
    async accepts(authorization) {
      await refresh();
      const [, shown = ''] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? [];
      return timingSafeEqual(digestOf(shown), digest);
    },
  };
}

async function read(path: string): Promise<string> {
  const refused = (why: string, cause?: unknown): LastcallError =>
    new LastcallError('config', `listen.hooks.tokenFile: ${why}`, {
      target: path,
      next: 'let it hold one line, such as `openssl rand -hex 32` prints, and only its owner change it',
      cause,
    });
  try {
    const { text, changeable } = await readSecret(path, 'token');
    if (changeable) throw new LastcallError('failed', 'another user than its owner may change it');
    if (/\s/.test(text)) throw new LastcallError('failed', 'it holds a blank');
    if (text.length < SHORTEST) throw new LastcallError('failed', `it has fewer than ${SHORTEST} characters`);
    return text;
  } catch (error) {
    throw refused(messageOf(error), error);
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
