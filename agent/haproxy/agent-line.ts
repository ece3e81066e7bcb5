import type { Admin } from '../lifecycle/view.ts';

/**
 * The answer to one agent-check poll: one line, ended by LF, of lower-case words (BEHAVIOUR.md#agent-check-line).
 *
 * `up` exactly while our own probe is good: HAProxy 3.3.0-3.3.11 and 3.4.0-3.4.1 keep a server DOWN for ever if it is
 * never said, 2.2.0-2.2.10 take a dead one for alive if it is always said (BEHAVIOUR.md#agent-check-bugs). Never `down`: it
 * throws sticky users out (BEHAVIOUR.md#who-still-reaches-a-server). The empty line is the neutral answer: nothing changes.
 * @param word the administrative word, where agent-check is the writer and it is to be said now
 * @param healthy whether our own probe of the application is good
 */
export function agentLine({
  word,
  healthy,
}: {
  readonly word: Admin | null;
  readonly healthy: boolean;
}): string {
  return `${[healthy ? 'up' : null, word].filter((part) => part !== null).join(' ')}\n`;
}
