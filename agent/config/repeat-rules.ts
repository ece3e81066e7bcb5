import { normalize } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Config, ScheduleConfig } from './config.ts';
import { plainAddress } from '../haproxy/address.ts';
import type { SourceConfig } from './source-config.ts';
import { type Finding, pathText } from './problem.ts';

/**
 * What stands twice in a configuration and may stand there once: a source would count its users twice, an entry of the calendar
 * would run twice, and of two uses of one file one would destroy the other.
 * @returns a finding for each later one
 */
export function checkRepeats(config: Config): Finding[] {
  return [
    ...repeated('sessions', config.sessions.map(withoutTimeout), 'its users would be counted twice'),
    ...repeated('schedule', config.schedule.map(run), 'it would run twice'),
    ...checkHaproxys(config),
    ...checkFiles(config),
  ];
}

function withoutTimeout({ timeoutMs: _patience, ...source }: SourceConfig): object {
  return source;
}

function run({ cron, timezone, do: what, when }: ScheduleConfig): object {
  return { cron: cron.trim().split(/\s+/), timezone, what, when };
}

function repeated(key: 'sessions' | 'schedule', entries: readonly object[], why: string): Finding[] {
  return entries.flatMap((entry, index) => {
    const first = entries.findIndex((other) => isDeepStrictEqual(other, entry));
    return first === index ? [] : [at([key, index], `is ${key}[${first}] again: ${why}`)];
  });
}

/** A HAProxy by each of its sockets: two of one address are one. */
function checkHaproxys({ balancers }: Config): Finding[] {
  const seen = new Map<string, number>();
  return balancers.flatMap((balancer, index) => {
    if (balancer.kind !== 'haproxy') return [];
    const address = plainAddress(balancer.address);
    const first = seen.get(address);
    if (first === undefined) seen.set(address, index);
    const isMaster = balancer.master !== null && plainAddress(balancer.master) === address;
    return [
      ...(first === undefined
        ? []
        : [at(['balancers', index, 'haproxy'], `is balancers[${first}] again, put all its servers there`)]),
      ...(isMaster
        ? [
            at(
              ['balancers', index, 'master'],
              'is the address of haproxy: the master CLI has its own (haproxy -S)',
            ),
          ]
        : []),
    ];
  });
}

/** The files that lastcall writes, and those that it must not write over. */
function checkFiles({ state, audit, listen, app, balancers }: Config): Finding[] {
  const files: (readonly [path: Finding['path'], file: string | null])[] = [
    ...balancers.flatMap((one, index) =>
      one.kind === 'haproxy'
        ? (['address', 'master', 'stateFile'] as const).map((key) => {
            const name = key === 'address' ? 'haproxy' : key;
            return [['balancers', index, name], one[key] === null ? null : plainAddress(one[key])] as const;
          })
        : [],
    ),
    [['app', 'stop', 'signal', 'pidFile'], app.stop?.kind === 'signal' ? app.stop.pidFile : null],
    [['listen', 'control'], listen.control.path],
    [['state'], state],
    [['audit'], audit],
  ];
  const ours = ['listen', 'state', 'audit'];
  return files.flatMap(([path, file], index) => {
    if (file === null || !ours.includes(String(path[0]))) return [];
    const other = files.slice(0, index).find(([, one]) => one !== null && normalize(one) === normalize(file));
    return other === undefined ? [] : [at(path, `is the file of ${pathText(other[0])}`)];
  });
}

function at(path: Finding['path'], message: string): Finding {
  return { path, message, at: 'value' };
}
