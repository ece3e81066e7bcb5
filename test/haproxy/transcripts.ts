import { createClient } from '../../agent/haproxy/client.ts';
import { showInfo, type Command } from '../../agent/haproxy/command.ts';
import type { Reply } from '../../agent/haproxy/reply.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startHaproxy } from '../support/haproxy.ts';
import { never } from '../support/outcome.ts';

/** Text as if it had come in answer to a command. */
export function replied(text: string, command: Command = showInfo()): Reply {
  return { text, command, target: 'unix:/test', elapsedMs: 1 };
}

export const DEFAULTS = `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
`;

/** What a real HAProxy answers to these commands, each on a connection of its own. */
export async function recorded(config: string, ...commands: readonly Command[]): Promise<Reply[]> {
  const haproxy = await startHaproxy(DEFAULTS + config);
  try {
    const client = createClient('unix:/test', { kind: 'unix', path: haproxy.socket }, { clock: realClock });
    const replies: Reply[] = [];
    for (const command of commands) replies.push(await client.exchange(command, 5_000, never));
    return replies;
  } finally {
    await haproxy.stop();
  }
}

/** Of `show servers state`: two readings may be of different seconds. */
export function withoutSeconds(text: string): string {
  return text.replace(/^(\d+ app \d+ app1 (?:\S+ ){5})\d+/gm, '$1T');
}
