import { parseAddress } from '../../haproxy/address.ts';
import { createClient, type Client } from '../../haproxy/client.ts';
import type { Clock } from '../../system/clock.ts';
import { errnoOf, isLastcallError, LastcallError } from '../../system/error.ts';

/** Debian's own is root's alone, and no `stats socket` line of the configuration changes that. */
const NEXT =
  'the rights of a master socket are set at its `-S`: `-S /run/haproxy/master.sock,mode,660,group,haproxy` (Debian: `EXTRAOPTS` in /etc/default/haproxy), then restart HAProxy; or leave `master` out';

/**
 * A client of the master CLI, which has no `listen` section in front of it that could speak TLS for it.
 * @param address `unix:/path`, `/path` or `tcp://host:port`
 * @returns one whose error for missing rights names where those are set
 * @throws LastcallError `config` for an invalid address
 */
export function createMasterClient(address: string, clock: Clock): Client {
  const client = createClient(address, parseAddress(address, 'config'), { clock });
  return {
    target: client.target,
    exchange: (...call) => advised(client.exchange(...call)),
    stream: (...call) => advised(client.stream(...call)),
    streamReply: (...call) => advised(client.streamReply(...call)),
    session: (...call) => advised(client.session(...call)),
  };
}

async function advised<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isLastcallError(error) || errnoOf(error.cause) !== 'EACCES') throw error;
    const { code, message, target, elapsedMs, cause } = error;
    throw new LastcallError(code, message, {
      ...(target !== undefined && { target }),
      ...(elapsedMs !== undefined && { elapsedMs }),
      next: NEXT,
      cause,
    });
  }
}
