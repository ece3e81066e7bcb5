import type { ControlClient } from '../control/client.ts';
import type { PoolReport } from '../lifecycle/model/pool-report.ts';
import { sleep } from '../system/clock.ts';
import { listenForInterrupts } from './interrupt.ts';
import type { Context } from './ports.ts';
import { poolText } from './view/pool.ts';
import { painter } from './view/format.ts';
import { INTERRUPTED } from './view/result.ts';

const HOME_AND_CLEAR = '\u001b[H\u001b[J';
const REFRESH_MS = 1_000;

/**
 * `lastcall status --pool`: once, or every second until interrupted. On a terminal the screen is drawn anew; in a pipe,
 * and with `--json`, a report is written once more when something other than a duration or a count has changed.
 * @returns the exit code
 * @throws LastcallError `agent-unreachable` when the sidecar does not answer
 */
export async function showPool(context: Context, client: ControlClient, watch: boolean): Promise<number> {
  const { ports, globals } = context;
  if (!watch) {
    const report = await client.pool(new AbortController().signal);
    if (globals.json === true || globals.quiet !== true) write(context, report);
    return 0;
  }
  const interrupts = listenForInterrupts(ports, null);
  const { signal } = interrupts;
  const isScreen = ports.stdout.isTTY === true && globals.json !== true;
  let last = '';
  try {
    for (;;) {
      const report = await client.pool(signal);
      const lasting = JSON.stringify(lastingOf(report));
      if (isScreen) ports.stdout.write(HOME_AND_CLEAR);
      if (isScreen || lasting !== last) write(context, report);
      last = lasting;
      await sleep(ports.clock, REFRESH_MS, signal);
    }
  } catch (error) {
    if (interrupts.first === null) throw error;
    return INTERRUPTED[interrupts.first];
  } finally {
    interrupts.end();
  }
}

function write({ ports, globals }: Context, report: PoolReport): void {
  const text =
    globals.json === true
      ? JSON.stringify(report)
      : poolText(report, ports.clock.wall(), painter({ ports, globals }, ports.stdout));
  ports.stdout.write(`${text}\n`);
}

/** A report without what changes from second to second. */
function lastingOf({ lock, balancers }: PoolReport): unknown {
  const servers = balancers.map((one) => ({
    ...one,
    servers: one.servers.map(({ name, status }) => [name, status]),
  }));
  return { lock, servers };
}
