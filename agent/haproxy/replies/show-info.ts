import { LastcallError } from '../../system/error.ts';
import { parseCount } from './columns.ts';
import { reloadError } from '../spoilt-by-reload.ts';
import { contextOf, unexpected, type Reply } from '../reply.ts';

/** The worker that answered (`show info`). */
export interface Info {
  readonly pid: number;
  readonly version: string;
  readonly uptimeSeconds: number;
  /** Of all frontends, without those of its stats sockets; missing where HAProxy does not show it. */
  readonly connections?: number;
}

/** Older ones cannot show a stopping worker's statistics and have agent-check bugs (BEHAVIOUR.md#versions). */
const OLDEST = [2, 4] as const;

/**
 * Reads `show info`.
 * @throws LastcallError `balancer-unreachable` when it is no such answer (or has one field twice), or when a worker
 *   answered that is stopping after a reload: its state is the past
 */
export function parseInfo(answer: string, reply: Reply): Info {
  const lines = answer.split('\n').filter((line) => line !== '');
  const fields = new Map(lines.map(pairOf));
  if (fields.size < lines.length) throw unexpected(reply, answer);
  const pid = parseCount(fields.get('Pid'));
  const uptimeSeconds = parseCount(fields.get('Uptime_sec'));
  const version = fields.get('Version');
  const stopping = fields.get('Stopping');
  if (pid === null || uptimeSeconds === null || version === undefined || stopping === undefined) {
    throw unexpected(reply, answer);
  }
  if (stopping !== '0') {
    throw reloadError(`${reply.target}: an old worker (pid ${pid}) answered, which is stopping`, {
      ...contextOf(reply),
      next: 'wait for the new worker; if none comes, see why the reload of HAProxy failed',
    });
  }
  const connections = parseCount(fields.get('CurrConns'));
  return { pid, version, uptimeSeconds, ...(connections === null ? {} : { connections }) };
}

/**
 * In recovery mode (after a reload with a file that the master itself finds broken) every connection to the master CLI
 * of 3.4.0 to 3.5-dev5 is HAProxy's end (BEHAVIOUR.md#the-master-socket).
 */
export function hasFragileMaster({ version }: Info): boolean {
  return /^(3\.4\.|3\.4-dev([2-9]|\d\d)|3\.5-dev[0-5](\D|$))/.test(version);
}

function pairOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).trim()];
}

/**
 * Refuses a HAProxy older than 2.4.
 * @throws LastcallError `not-permitted` with the reason
 */
export function requireSupported(info: Info, reply: Reply): void {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(info.version) ?? [];
  if (major === undefined || minor === undefined) throw unexpected(reply, `Version: ${info.version}`);
  const [least, leastMinor] = OLDEST;
  if (Number(major) > least || (Number(major) === least && Number(minor) >= leastMinor)) return;
  const why = 'before 2.4 a worker that is stopping shows no statistics, so its sessions cannot be seen';
  throw new LastcallError('not-permitted', `${reply.target}: HAProxy ${info.version} is too old: ${why}`, {
    ...contextOf(reply),
    next: 'upgrade HAProxy to 2.4 or newer',
  });
}

/** Whether `now` is still the process that was `before`: in a container each has the same pid, but none begins old. */
export function sameProcess(before: Info, now: Info): boolean {
  return before.pid === now.pid && now.uptimeSeconds >= before.uptimeSeconds;
}
