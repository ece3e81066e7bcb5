import { StringDecoder } from 'node:string_decoder';
import { LastcallError } from '../system/error.ts';
import { commandsOf, PROMPT, QUIT, type Command } from './command.ts';
import { exchangeOn, type ExchangeCall, type InteractiveConnection } from './connection.ts';
import { throwIfOwed } from './release.ts';
import type { SendCommand } from './server-reader.ts';
import { tooLong, MOST_BYTES } from './reply.ts';

/**
 * What ends the answer to a line of an interactive connection; on another one it is the line feed alone. Up to 3.1
 * each command of a line has its prompt, from 3.2 on the line has one (HAProxy 20ec1de21; seen on 2.6.12 and 3.2.26).
 * So each line holds one command, and a prompt is its end on all of them.
 */
const PROMPTED = '\n> ';

/**
 * Several lines on one connection. After a reload it still leads to the worker it began with, so a state is written
 * to the worker from which it was read; one that is stopping refuses commands (BEHAVIOUR.md#runtime-api,
 * BEHAVIOUR.md#reload). It lasts no longer than the work: left open it would keep an old worker alive, and one of
 * ten slots.
 * @param call how to reach HAProxy, and how long all of it may take
 * @throws LastcallError as `exchangeOn`; `balancer-unreachable` when HAProxy ends it early; what `work` throws
 */
export async function openInteractive<T>(
  call: Omit<ExchangeCall, 'line' | 'onChunk' | 'onBegun' | 'mustEnd' | 'quit'>,
  work: (ask: SendCommand) => Promise<T>,
): Promise<T> {
  const { target, clock } = call;
  const decoder = new StringDecoder('utf8');
  let line: InteractiveConnection | null = null;
  let text = '';
  let heard = (): void => undefined;
  let mustEnd = false;
  const ended = exchangeOn({
    ...call,
    line: PROMPT,
    quit: QUIT,
    mustEnd: () => mustEnd,
    onBegun: (open) => void (line = open),
    onChunk(chunk) {
      text += decoder.write(chunk);
      if (text.length > MOST_BYTES) throw tooLong(target, `an answer of more than ${MOST_BYTES} bytes`);
      heard();
    },
  }).then((elapsedMs): never => {
    throw closed(target, elapsedMs);
  });
  // Code that waits for an answer gets the error; after the last answer it does not matter.
  ended.catch(() => undefined);

  /** The next answer, as on a connection of its own. */
  const answer = async (): Promise<string> => {
    const whole = new Promise<string>((resolve) => {
      heard = () => {
        if (text.endsWith(PROMPTED)) resolve(`${text.slice(0, -PROMPTED.length)}\n`);
      };
      heard();
    });
    const one = await Promise.race([whole, ended]);
    text = '';
    return one;
  };
  const ask = async (command: Command): ReturnType<SendCommand> => {
    const began = clock.now();
    let all = '';
    if (command.mustEnd) throwIfOwed(target);
    mustEnd = command.mustEnd;
    for (const one of commandsOf(command)) {
      line?.send(one);
      all += await answer();
    }
    mustEnd = false;
    return { text: all, command, target, elapsedMs: clock.now() - began };
  };

  try {
    await answer();
    return await work(ask);
  } finally {
    (line as InteractiveConnection | null)?.close();
  }
}

function closed(target: string, elapsedMs: number): LastcallError {
  return new LastcallError(
    'balancer-unreachable',
    `${target}: HAProxy ended the connection before its answer`,
    {
      target,
      elapsedMs,
      next: 'ask again; if it stays so, see whether HAProxy crashes (its log)',
    },
  );
}
