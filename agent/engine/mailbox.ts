import type { Event } from '../lifecycle/model/event.ts';
import type { Clock } from '../system/clock.ts';
import type { UnstampedEvent } from './run-effect.ts';

/** What a mailbox does with its events. */
export interface MailboxHandlers {
  /** Handles one event; events that it posts itself come after it. */
  readonly handle: (event: Event) => void;
  /** Called when no event is left. */
  readonly onEmpty: () => void;
}

/**
 * Events of one node, stamped with the time at which they are posted and handled one after the other.
 * @returns posts an event; after `signal` is aborted events are dropped
 */
export function createMailbox(
  clock: Clock,
  signal: AbortSignal,
  { handle, onEmpty }: MailboxHandlers,
): (event: UnstampedEvent) => void {
  const waiting: Event[] = [];
  let isHandling = false;
  return (event) => {
    if (signal.aborted) return;
    waiting.push({ ...event, at: clock.now() });
    if (isHandling) return;
    isHandling = true;
    for (let next = waiting.shift(); next; next = waiting.shift()) handle(next);
    isHandling = false;
    onEmpty();
  };
}
