import { hostname, networkInterfaces } from 'node:os';

/** The IP addresses of this machine's interfaces, of this network namespace. */
export function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => address.toLowerCase()));
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
