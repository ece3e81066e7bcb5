import type { ControlClient } from '../control/client.ts';
import { listenForInterrupts } from './interrupt.ts';
import type { Context } from './ports.ts';
import { INTERRUPTED } from './result.ts';
import { writeStatus } from './status.ts';

const HOME_AND_CLEAR = '\u001b[H\u001b[J';

/**
 * `lastcall status --watch`: the status again at every change, until interrupted.
 * @returns the exit code
 * @throws LastcallError `agent-unreachable` when the sidecar ends
 */
export async function watchStatus(context: Context, client: ControlClient): Promise<number> {
  const interrupts = listenForInterrupts(context.ports.signals, null);
  const redraws = context.globals.json !== true && context.ports.stdout.isTTY === true;
  try {
    for await (const { event, data } of client.events(interrupts.signal)) {
      if (event !== 'status') continue;
      if (redraws) context.ports.stdout.write(HOME_AND_CLEAR);
      writeStatus(context, data);
    }
    // The sidecar ended the stream: the next question tells how things stand with it.
    await client.status(interrupts.signal);
    return 0;
  } catch (error) {
    if (interrupts.first === null) throw error;
    return INTERRUPTED[interrupts.first];
  } finally {
    interrupts.end();
  }
}
