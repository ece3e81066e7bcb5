import { connect } from 'node:net';
import { once } from 'node:events';

/**
 * One agent-check poll, as HAProxy makes it: connects, sends `agent-send` where there is one, and reads to the end.
 * @param localAddress the address it comes from: all of 127.0.0.0/8 is this machine's
 * @returns what was answered; the empty string when the connection was closed without an answer
 */
export async function poll(port: number, send = '', localAddress = '127.0.0.1'): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.setEncoding('utf8');
  let answer = '';
  socket.on('data', (chunk: string) => (answer += chunk));
  if (send !== '') socket.write(send);
  const failed = new Promise<never>((_resolve, reject) => socket.once('error', reject));
  await Promise.race([once(socket, 'close'), failed]);
  return answer;
}
