import { statSync } from 'node:fs';
import { parseAddress } from '../haproxy/address.ts';
import { lineageOf } from '../haproxy/predecessors.ts';
import { isLastcallError, errnoOf } from '../system/error.ts';
import { processTable } from '../system/process-table.ts';
import type { BalancerView } from './balancer-view.ts';

/** The sockets of a HAProxy on this machine: its master's, and who may use a socket. */

/** Where the master CLI of a HAProxy is. */
export type MasterFact =
  | { readonly kind: 'found'; readonly address: string }
  /** Its process was found, and has no `-S`. */
  | { readonly kind: 'none' }
  /** It runs on another machine or in a container, or /proc hides it. */
  | { readonly kind: 'unseen' };

/** By the command line of the master, the parent of the worker that answers; any user may read it. */
export function findMaster({ info, isHere }: BalancerView): MasterFact {
  const worker = { pid: info.pid, uptimeMs: info.uptimeSeconds * 1_000 };
  const lineage = isHere ? lineageOf(processTable, worker) : null;
  const self = lineage === null ? 'gone' : processTable.at(lineage.self.pid);
  if (typeof self === 'string') return { kind: 'unseen' };
  const master = processTable.at(self.parent);
  const command = typeof master === 'string' || master.command.length === 0 ? self.command : master.command;
  const option = command.indexOf('-S');
  if (option < 0) return { kind: 'none' };
  const [written = ''] = (command[option + 1] ?? '').split(',');
  const address = addressOf(written);
  return address === null ? { kind: 'unseen' } : { kind: 'found', address };
}

/** As `balancers[].master` takes it; null for another form (`fd@3`, a path that is not absolute). */
function addressOf(written: string): string | null {
  const path = written.replace(/^unix@/, '');
  const port = /^(?:ipv4@)?(127\.\d+\.\d+\.\d+|localhost|\*)?:(\d{1,5})$/.exec(written);
  const [, host, digits] = port ?? [];
  const address =
    port === null
      ? `unix:${path}`
      : `tcp://${host === undefined || host === '*' ? '127.0.0.1' : host}:${digits}`;
  try {
    parseAddress(address, 'usage');
    return address;
  } catch (error) {
    if (isLastcallError(error)) return null;
    throw error;
  }
}

/** Which users may connect to the socket at an address. */
export type SocketAccess =
  /** Root's alone. */
  | 'root'
  /** Another single user's, or a group's: `group` is its number. */
  | { readonly user: number; readonly group: number | null }
  | 'all'
  /** No socket file of this machine, or one that this user may not look at. */
  | 'unknown';

/** By the mode of its file (unix(7): to connect takes the right to write). */
export function accessOf(address: string): SocketAccess {
  const parsed = parseAddress(address, 'usage');
  if (parsed.kind !== 'unix') return 'unknown';
  try {
    const { mode, uid, gid } = statSync(parsed.path);
    if ((mode & 0o002) !== 0) return 'all';
    const group = (mode & 0o020) === 0 || gid === 0 ? null : gid;
    return uid === 0 && group === null ? 'root' : { user: uid, group };
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return 'unknown';
    throw error;
  }
}
