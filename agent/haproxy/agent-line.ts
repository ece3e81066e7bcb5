import type { Admin } from '../lifecycle/model/observation.ts';

/**
 * The answer to one agent-check poll: one line, ended by LF, of lower-case keywords
 * (BEHAVIOUR.md#agent-check-line).
 *
 * `up` exactly while our own probe is good: HAProxy 3.3.0-3.3.11 and 3.4.0-3.4.1 keep a server DOWN for ever that
 * never gets it, 2.2.0-2.2.10 take a dead one for alive that always gets it (BEHAVIOUR.md#agent-check-bugs). Never
 * `down`: it cuts sticky users (BEHAVIOUR.md#who-still-reaches-a-server). The empty line is the neutral answer:
 * nothing changes.
 * @param word the administrative state to answer, where agent-check is the writer and the state is to be answered now
 * @param healthy whether our own probe of the application is good
 * @param percent of the configured weight, where that is to be set now; HAProxy keeps the last one that it got
 */
export function agentLine({
  word,
  healthy,
  percent = null,
}: {
  readonly word: Admin | null;
  readonly healthy: boolean;
  readonly percent?: number | null;
}): string {
  const weight = percent === null ? null : `${percent}%`;
  return `${[healthy ? 'up' : null, word, weight].filter((part) => part !== null).join(' ')}\n`;
}
