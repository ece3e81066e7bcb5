import type { ProcessEntry, ProcessTable } from '../../agent/system/process-table.ts';

/** A machine's processes, by the command lines that HAProxy 2.6.12, 3.0.11 and 3.2.26 showed. */

const NOW_TICKS = 100_000;

export interface FakeTable extends ProcessTable {
  readonly processes: Map<number, ProcessEntry>;
  restricted: boolean;
  searches: number;
  /** Those that wait for no connection, or whose sockets are not shown (null). */
  readonly silent: Map<number, false | null>;
  /** Whether all serve one port. */
  share: boolean | null;
}

export function machine(...processes: readonly ProcessEntry[]): FakeTable {
  const table: FakeTable = {
    processes: new Map(processes.map((one) => [one.pid, one])),
    restricted: false,
    searches: 0,
    silent: new Map(),
    share: true,
    sharePort: () => table.share,
    listens(pid) {
      const told = table.silent.get(pid);
      return told === undefined ? true : told;
    },
    running(program) {
      table.searches += 1;
      const running = [...table.processes.values()].filter(({ command }) => program.test(command[0] ?? ''));
      return table.restricted ? null : running;
    },
    at: (pid) => table.processes.get(pid) ?? 'gone',
    ageMs: (startTime) => (NOW_TICKS - Number(startTime)) * 10,
  };
  return table;
}

/** @param seconds how long ago it was started */
export function process(
  pid: number,
  parent: number,
  seconds: number,
  command: string,
  nested = false,
): ProcessEntry {
  return { pid, parent, startTime: String(NOW_TICKS - seconds * 100), command: command.split(' '), nested };
}
