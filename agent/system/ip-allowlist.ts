import { BlockList, isIP, isIPv6 } from 'node:net';
import { LastcallError } from './error.ts';

/**
 * Whether an address is one of `entries`, each an IP address or a CIDR block; an IPv4 address counts as itself when
 * a socket for both families shows it as `::ffff:192.0.2.1`.
 * @throws LastcallError `config` for an entry that is neither
 */
export function ipAllowlist(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const entry of entries) add(list, entry);
  return (address) => {
    const bare = plainAddress(address);
    return isIP(bare) !== 0 && list.check(bare, isIPv6(bare) ? 'ipv6' : 'ipv4');
  };
}

/** An address as people write it: without the prefix of an IPv4 address on an IPv6 socket, and without a zone. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
}

function add(list: BlockList, entry: string): void {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
  const family = isIP(address);
  if (family === 0 || Number(bits ?? 0) > (family === 6 ? 128 : 32)) throw notAnAddress(entry);
  const type = family === 6 ? 'ipv6' : 'ipv4';
  if (bits === undefined) list.addAddress(address, type);
  else list.addSubnet(address, Number(bits), type);
}

function notAnAddress(entry: string): LastcallError {
  return new LastcallError('config', `"${entry}" is neither an IP address nor a CIDR block`, {
    target: entry,
    next: 'write it like 10.0.0.14, 10.0.0.0/24 or fd00::/64',
  });
}
