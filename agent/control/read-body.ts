import type { IncomingMessage } from 'node:http';
import { readJson } from '../formats/json-text.ts';
import { messageOf } from '../system/error.ts';

/** The body of a request of the control socket: JSON in UTF-8 in which no key stands twice. */

/** A request has a dozen short values; more is never needed. */
export const MAX_BODY_BYTES = 64 * 1024;

export type ReadBody<T> =
  | { readonly ok: true; readonly value: T }
  /** `status` is that of the answer. */
  | { readonly ok: false; readonly status: 400 | 413; readonly message: string };

/**
 * Reads a body as far as it may be long, and what is in it.
 * @param parse makes a request of the document; what it throws is the message of a 400
 */
export async function readBody<T>(
  request: IncomingMessage,
  parse: (body: unknown) => T,
): Promise<ReadBody<T>> {
  const bytes = await readBytes(request);
  if (bytes === null)
    return { ok: false, status: 413, message: `the body is longer than ${MAX_BODY_BYTES} bytes` };
  const text = utf8(bytes);
  if (text === null) return { ok: false, status: 400, message: 'the body is not UTF-8' };
  // Of two values of one key `JSON.parse` takes the last, whichever of them was meant.
  const read = readJson(text);
  if ('problem' in read) return { ok: false, status: 400, message: `the body: ${read.problem}` };
  try {
    return { ok: true, value: parse(JSON.parse(text)) };
  } catch (error) {
    return { ok: false, status: 400, message: messageOf(error) };
  }
}

/** Null when it is too long. */
async function readBytes(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function utf8(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
