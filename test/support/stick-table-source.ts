import { afterEach } from '@jest/globals';
import { createStickTableSource } from '../../agent/sessions/stick-table.ts';
import type { Source } from '../../agent/sessions/source.ts';
import type { Clock } from '../../agent/system/clock.ts';
import { targetAt } from './haproxy-target.ts';
import { startHaproxy, type Haproxy, type HaproxyOptions } from './haproxy.ts';
import { never, refusalOf } from './outcome.ts';
import { createShiftedClock, type ShiftedClock } from './shifted-clock.ts';

/** Session sources that count a stick table of a real HAProxy. */

export const EXPIRE_MS = 30 * 60_000;

export const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export const DEFAULTS =
  'defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n';

const servers = (names: readonly string[]): string =>
  names.map((name) => `  server ${name} 127.0.0.1:1\n`).join('');

export const backend = (name: string, names: readonly string[], more = ''): string =>
  `backend ${name}\n  stick-table type string len 32 size 200k expire 30m${more}\n` +
  `  stick on req.cook(S)\n${servers(names)}`;

export const APP = DEFAULTS + backend('app', ['app1', 'app2']);

export async function start(config: string, options: HaproxyOptions = {}): Promise<Haproxy> {
  const haproxy = await startHaproxy(config, options);
  cleanups.push(() => haproxy.stop());
  return haproxy;
}

interface Choice {
  readonly server?: string | null;
  readonly table?: string;
  readonly expireMs?: number | null;
  readonly timeoutMs?: number;
}

export function sourceAt(paths: readonly string[], clock: Clock, choice: Choice = {}): Source {
  const { server = 'app/app1', table = 'app', expireMs = EXPIRE_MS, timeoutMs = 5_000 } = choice;
  const targets = paths.map((path) => targetAt(path, clock));
  return createStickTableSource({ kind: 'stickTable', table, server, expireMs, timeoutMs }, 'stickTable', {
    clock,
    targets,
  });
}

/** A source that has known these HAProxys for longer than their tables remember. */
export async function agedSource(
  paths: readonly string[],
  choice: Choice = {},
): Promise<{ source: Source; clock: ShiftedClock }> {
  const clock = createShiftedClock();
  const source = sourceAt(paths, clock, choice);
  await refusalOf(() => source.count(never));
  clock.forward(EXPIRE_MS);
  return { source, clock };
}
