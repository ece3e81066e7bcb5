import { once } from 'node:events';
import { connect } from 'node:net';

/** Questions to a socket of HAProxy, by a client of the tests' own. */

/** From 2.8 on the master answers this for a worker that has gone, and does not close the connection. */
const GONE = "Can't find the target PID";

/** One line to a stats socket, read to the end; the tests' own client, independent of the one under test. */
export async function ask(path: string, line: string): Promise<string> {
  const socket = connect({ path });
  socket.setEncoding('utf8');
  socket.write(`${line}\n`);
  let answer = '';
  socket.on('data', (chunk: string) => {
    answer += chunk;
    if (answer.startsWith(GONE) && answer.endsWith('\n')) socket.destroy();
  });
  await once(socket, 'close');
  return answer;
}

/** One column of the first row of a `show stat`. */
export function cellOf(answer: string, name: string): string | undefined {
  const [head = '', row = ''] = answer.split('\n');
  return row.split(',')[head.replace(/^# /, '').split(',').indexOf(name)];
}

/** Several commands on one connection (`prompt`), each answered as on a connection of its own. */
export interface Conversation {
  /** One command: from 3.2 on a line has one prompt, before that each command of it has one. */
  ask(command: string): Promise<string>;
  end(): void;
}

export async function converse(path: string): Promise<Conversation> {
  const socket = connect({ path });
  socket.setEncoding('utf8');
  let text = '';
  let heard = (): void => undefined;
  socket.on('data', (chunk: string) => {
    text += chunk;
    heard();
  });
  const ended = once(socket, 'close').then((): never => {
    throw new Error(`${path} ended the conversation`);
  });
  ended.catch(() => undefined);
  const ask = async (command: string): Promise<string> => {
    if (command.includes(';')) throw new Error(`more than one command: ${command}`);
    text = '';
    socket.write(`${command}\n`);
    const answer = new Promise<string>((resolve) => {
      heard = () => text.endsWith('\n> ') && resolve(text.slice(0, -'> '.length));
    });
    return Promise.race([answer, ended]);
  };
  await ask('prompt');
  return { ask, end: () => void socket.destroy() };
}
