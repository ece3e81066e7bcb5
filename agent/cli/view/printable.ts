import type { ControlClient } from '../../control/client.ts';
import { visible } from '../../system/printable.ts';
import type { Desk } from '../wait-for-result.ts';
import type { Globals } from '../ports.ts';

/**
 * Texts of other programs, on their way to a terminal: of HAProxy, an application, or whatever answers at a socket.
 */

/** Deeper than anything of ours. */
const DEPTH = 20;

/** A value of plain JSON as it may be written for people: no text in it has a character that a terminal obeys. */
export function visibleIn<T>(value: T, depth = DEPTH): T {
  return plain(value, depth) as T;
}

function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return visible(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return null;
  if (Array.isArray(value)) return value.map((item) => plain(item, depth - 1));
  const pairs = Object.entries(value).map(([key, item]) => [visible(key), plain(item, depth - 1)]);
  return Object.fromEntries(pairs);
}

/** A line of text for people, which may hold bytes of other programs. */
export function line(text: string): string {
  return visible(text.replaceAll(/\s*\n\s*/g, ' '));
}

/** The sidecar's client with texts made printable; with `--json` they are unchanged, in JSON's own escapes. */
export function forPeople(client: ControlClient, globals: Globals): ControlClient {
  if (globals.json === true) return client;
  return {
    ...client,
    ...deskForPeople(client, globals),
    status: async (signal) => visibleIn(await client.status(signal)),
    holders: async (signal) => visibleIn(await client.holders(signal)),
  };
}

/** The same for a desk. */
export function deskForPeople(desk: Desk, globals: Globals): Desk {
  if (globals.json === true) return desk;
  return {
    submit: async (words, signal) => visibleIn(await desk.submit(words, signal)),
    operation: async (id, signal) => visibleIn(await desk.operation(id, signal)),
    async *events(signal) {
      for await (const event of desk.events(signal)) yield visibleIn(event);
    },
  };
}
