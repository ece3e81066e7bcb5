/** Where a server is, as far as HAProxy shows it: an IP address without brackets, and its port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * The texts by which the entries of a stick table name one server (`server_key`): its name, and in a table with
 * `srvkey addr` its address. There a server without a port of its own (`10.0.0.1`, `10.0.0.1:+5`) shows the offset, and
 * IPv6 has no brackets (seen on 2.6.12, 3.0.11 and 3.2.26). Which of them a table uses cannot be asked.
 * @param server the name within its backend
 * @param endpoint null where HAProxy shows no IP address (a unix socket, a name that does not resolve)
 */
export function serverKeys(server: string, endpoint: Endpoint | null): readonly string[] {
  if (endpoint === null) return [server];
  const { host, port } = endpoint;
  return [server, `${host}:${port}`, `${host}:+${port}`];
}

/**
 * Reads the `addr` of a row of `show stat`: `10.0.0.1:80`, `[::1]:80`.
 * @returns null for what is no IP address: `unix`, empty, or below level operator
 */
export function endpointOf(addr: string | undefined): Endpoint | null {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(addr ?? '') ?? [];
  const host = bracketed ?? plain;
  return host === undefined ? null : { host, port: Number(port) };
}
