import { createHash } from 'node:crypto';

/** Raised when the meaning of a record changes; a file of another number is never read. */
const SCHEMA = 1;

export type Opened =
  { readonly whole: true; readonly record: unknown } | { readonly whole: false; readonly reason: string };

/** The text of a state file: the record, with what proves later that it is whole and this node's. */
export function seal(node: string, record: object): string {
  return `${JSON.stringify({ schema: SCHEMA, node, sha256: checksum(node, record), record })}\n`;
}

/** The record in `text`, or why nothing in it can be believed. */
export function unseal(node: string, text: string): Opened {
  if (text === '') return broken('it is empty');
  if (/^\0+$/.test(text)) return broken('it is filled with NUL bytes');
  const file = parse(text);
  if (file === undefined) return broken('it is cut or overwritten');
  if (file['schema'] !== SCHEMA) return broken(`its schema is ${shown(file['schema'])}, not ${SCHEMA}`);
  if (file['node'] !== node) return broken(`it belongs to node ${shown(file['node'])}, not to ${node}`);
  if (file['sha256'] !== checksum(node, file['record'])) return broken('its checksum does not match');
  return { whole: true, record: file['record'] };
}

/** Over the node as well, so that an edited header is noticed like an edited record. */
function checksum(node: string, record: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify([SCHEMA, node, record]))
    .digest('hex');
}

function broken(reason: string): Opened {
  return { whole: false, reason };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined; // Not JSON: the caller says so.
  }
}

/** The contents of a foreign file, short enough for one line of a log. */
function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 80);
}
