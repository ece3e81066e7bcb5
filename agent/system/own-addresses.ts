import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';

/**
 * The IP addresses of this machine's interfaces, of this network namespace. Empty where this process may not ask the kernel: that
 * needs a netlink socket, which `RestrictAddressFamilies=` of a unit (of ours, too) refuses.
 */
export function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(interfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => address.toLowerCase()));
}

function interfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch (error) {
    // libuv's own error, of Node's class SystemError: EAFNOSUPPORT (97) under systemd's filter.
    if (error instanceof Error && 'code' in error && error.code === 'ERR_SYSTEM_ERROR') return {};
    throw error;
  }
}

/** An address that leads to the machine that uses it. */
export function isLoopback(host: string): boolean {
  return /^127\.\d+\.\d+\.\d+$/.test(host) || host === '::1' || host === 'localhost';
}

/** Whether an address or name, as an operator writes it, is certainly this machine's. No name is looked up. */
export function isOwnHost(host: string, own: ReadonlySet<string>): boolean {
  const lower = host.toLowerCase();
  return isLoopback(lower) || own.has(lower) || lower === hostname().toLowerCase();
}

/**
 * Whether an IP address is this machine's, also where its interfaces may not be listed: then by a UDP socket that is bound
 * to it and closed (bind(2): EADDRNOTAVAIL for an address that is not local). No packet is sent.
 */
export async function hasAddress(host: string, own: ReadonlySet<string>): Promise<boolean> {
  if (isLoopback(host) || own.has(host.toLowerCase())) return true;
  return own.size === 0 && isIP(host) !== 0 && canBind(host);
}

function canBind(host: string): Promise<boolean> {
  const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const end = (isOwn: boolean) => (): void => {
      socket.close();
      resolve(isOwn);
    };
    socket.once('error', end(false)).bind({ address: host, port: 0, exclusive: true }, end(true));
  });
}
