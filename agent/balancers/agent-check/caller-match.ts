import { isIP } from 'node:net';
import { parseAddress } from '../../haproxy/address.ts';
import { ipAllowlist } from '../../system/ip-allowlist.ts';
import { LastcallError, messageOf } from '../../system/error.ts';
import { addressesOf } from '../../system/lookup.ts';
import type { Caller } from './server.ts';

/** Where the polls of one HAProxy come from, by the address of its Runtime API. */
export interface CallerMatch {
  covers(caller: Caller): boolean;
  /**
   * Looks the host's addresses up, where it is a name.
   * @throws LastcallError `balancer-unreachable` while it has none and never had
   */
  resolve(): Promise<void>;
}

/**
 * @param address `unix:/path`, `/path` or `tcp://host:port`; a socket file and a loopback address are this machine
 * @throws LastcallError `config` for an address that is none
 */
export function createCallerMatch(address: string): CallerMatch {
  const at = parseAddress(address, 'config');
  const host = at.kind === 'tcp' ? at.host : 'localhost';
  let addresses: readonly string[] = isIP(host) === 0 ? [] : [host];
  let matches = ipAllowlist(addresses);
  const own = (): boolean => host === 'localhost' || addresses.some(isLoopback);
  return {
    covers: (caller) => matches(caller.address) || (own() && (caller.local || isLoopback(caller.address))),
    async resolve() {
      if (host === 'localhost' || isIP(host) !== 0) return;
      try {
        addresses = await addressesOf(host);
        matches = ipAllowlist(addresses);
      } catch (cause) {
        if (addresses.length > 0) return; // The name server does not answer: the addresses that it gave before still hold.
        throw new LastcallError(
          'balancer-unreachable',
          `${address}: no address for ${host}: ${messageOf(cause)}`,
          {
            target: address,
            next: `see that ${host} resolves on this machine, or write its address`,
            cause,
          },
        );
      }
    },
  };
}

let loopback: ReturnType<typeof ipAllowlist> | null = null;

/** Its list is made for the first one that asks: that costs 2 ms, and no command needs it. */
function isLoopback(address: string): boolean {
  loopback ??= ipAllowlist(['127.0.0.0/8', '::1']);
  return loopback(address);
}
