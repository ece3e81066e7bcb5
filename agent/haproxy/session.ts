import { StringDecoder } from 'node:string_decoder';
import { LastcallError } from '../system/error.ts';
import { PROMPT, type Command } from './command.ts';
import { converse, type Call, type OpenLine } from './connection.ts';
import type { Ask } from './reader.ts';
import { endless, MOST_BYTES } from './reply.ts';

/** What ends each answer of an interactive connection; on another one it is the line feed alone. */
const PROMPTED = '\n> ';

/**
 * Several lines on one connection. After a reload it still leads to the worker it began with, so whoever is told on it
 * is who was asked on it; one that is stopping refuses orders (haproxy-facts G, H). It lasts no longer than the work:
 * left open it would keep an old worker alive, and one of ten slots.
 * @param call how to reach HAProxy, and how long all of it may take
 * @throws LastcallError as `converse`; `balancer-unreachable` when HAProxy ends it early; what `work` throws
 */
export async function converseAtLength<T>(
  call: Omit<Call, 'line' | 'onChunk' | 'onBegun'>,
  work: (ask: Ask) => Promise<T>,
): Promise<T> {
  const { target, clock } = call;
  const decoder = new StringDecoder('utf8');
  let line: OpenLine | null = null;
  let text = '';
  let heard = (): void => undefined;
  const ended = converse({
    ...call,
    line: PROMPT,
    onBegun: (open) => void (line = open),
    onChunk(chunk) {
      text += decoder.write(chunk);
      if (text.length > MOST_BYTES) throw endless(target, `an answer of more than ${MOST_BYTES} bytes`);
      heard();
    },
  }).then((elapsedMs): never => {
    throw closed(target, elapsedMs);
  });
  // Whoever waits for an answer hears of it; after the last one it is of no account.
  ended.catch(() => undefined);

  /** The next `parts` answers, as they would stand on a connection of their own. */
  const answers = async (parts: number): Promise<string> => {
    const whole = new Promise<string>((resolve) => {
      heard = () => {
        if (!text.endsWith(PROMPTED)) return;
        const found = text.split(PROMPTED);
        if (found.length > parts)
          resolve(
            found
              .slice(0, -1)
              .map((answer) => `${answer}\n`)
              .join(''),
          );
      };
      heard();
    });
    const all = await Promise.race([whole, ended]);
    text = '';
    return all;
  };
  const ask = async (command: Command): ReturnType<Ask> => {
    const began = clock.now();
    line?.say(command.line);
    const answer = await answers(command.parts);
    return { text: answer, command, target, elapsedMs: clock.now() - began };
  };

  try {
    await answers(1);
    return await work(ask);
  } finally {
    (line as OpenLine | null)?.hangUp();
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
