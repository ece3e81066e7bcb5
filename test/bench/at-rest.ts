import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sidecar } from '../support/sidecar.ts';
import type { Figure } from './figures.ts';

/** Its first probes cost more, until they have been compiled; rest is what comes after. */
const SETTLE_MS = 20_000;
const WATCHED_MS = 40_000;
/** USER_HZ is 100 on every architecture that Node runs on. */
const TICK_MS = 10;

/** A sidecar that has nothing to do: its memory against an idle node process, and its share of a core. */
export async function atRest(sidecar: Sidecar, signal: AbortSignal): Promise<Figure[]> {
  const idle = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1e9); console.log()'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(idle.stdout, 'data');
    await sleep(SETTLE_MS, undefined, { signal });
    const before = cpuMs(sidecar.pid);
    await sleep(WATCHED_MS, undefined, { signal });
    const busyMs = cpuMs(sidecar.pid) - before;
    const [own, bare] = [residentMiB(sidecar.pid), residentMiB(idle.pid ?? 0)];
    return [
      {
        name: 'memory at rest (RSS)',
        value: own,
        unit: 'MiB',
        kind: 'ratio',
        limit: 2,
        peer: { name: 'an idle node process', value: bare },
        how: `after ${(SETTLE_MS + WATCHED_MS) / 1_000} s`,
        exact: true,
      },
      {
        name: 'processor at rest, share of a core',
        value: (busyMs / WATCHED_MS) * 100,
        unit: '%',
        limit: 0.5,
        how: `${busyMs} ms in ${WATCHED_MS / 1000} s, the default probe every 2 s`,
      },
    ];
  } finally {
    idle.kill('SIGKILL');
    await once(idle, 'exit');
  }
}

function residentMiB(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`process ${pid} has no VmRSS`);
  return Number(kilobytes) / 1024;
}

/** User and system time so far: fields 14 and 15 of proc(5), counted from behind the name in parentheses. */
function cpuMs(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
