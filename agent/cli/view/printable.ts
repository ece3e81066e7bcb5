import type { ControlClient } from '../../control/client.ts';
import { printable } from '../../system/printable.ts';
import type { OperationClient } from '../wait-for-result.ts';
import type { Globals } from '../ports.ts';

/**
 * Makes texts of other programs (HAProxy, an application, any program that answers at a socket) safe for a terminal.
 */

/** The deepest level that is read: deeper than any answer of a sidecar. */
const DEPTH = 20;

/** A value of plain JSON as it may be written for people: no text in it has a character that a terminal obeys. */
export function printableIn<T>(value: T, depth = DEPTH): T {
  return plain(value, depth) as T;
}

function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return printable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return null;
  if (Array.isArray(value)) return value.map((item) => plain(item, depth - 1));
  const pairs = Object.entries(value).map(([key, item]) => [printable(key), plain(item, depth - 1)]);
  return Object.fromEntries(pairs);
}

/** A line of text for people, which may hold bytes of other programs. */
export function printableLine(text: string): string {
  return printable(text.replaceAll(/\s*\n\s*/g, ' '));
}

/** The sidecar's client with texts made printable; with `--json` they are unchanged, in JSON's own escapes. */
export function printableSidecar(client: ControlClient, globals: Globals): ControlClient {
  if (globals.json === true) return client;
  return {
    ...client,
    ...printableClient(client, globals),
    status: async (signal) => printableIn(await client.status(signal)),
    holders: async (signal) => printableIn(await client.holders(signal)),
    pool: async (signal) => printableIn(await client.pool(signal)),
  };
}

/** The same for a client of operations. */
export function printableClient(client: OperationClient, globals: Globals): OperationClient {
  if (globals.json === true) return client;
  return {
    submit: async (body, signal) => printableIn(await client.submit(body, signal)),
    operation: async (id, signal) => printableIn(await client.operation(id, signal)),
    async *events(signal) {
      for await (const event of client.events(signal)) yield printableIn(event);
    },
  };
}
