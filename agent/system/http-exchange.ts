import axios, { type AxiosResponse } from 'axios';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import { type HttpAnswer, type HttpOptions, MAX_BODY_BYTES } from './http-answer.ts';
import { boundedLookup } from './lookup.ts';

/** What http.ts asks of axios, in a module of its own: it is loaded with the first request (`loadHttp`). */

// A connection per request: one that is kept alive counts as a user at the application's port, and hides that the
// application has stopped listening.
const httpAgent = new HttpAgent({ keepAlive: false, lookup: boundedLookup });
const httpsAgent = new HttpsAgent({ keepAlive: false, lookup: boundedLookup });

/**
 * One request and its answer, without a deadline of its own.
 * @throws whatever axios throws; the signal's reason when aborted
 */
export async function exchange(url: URL, signal: AbortSignal, options: HttpOptions): Promise<HttpAnswer> {
  const { json, method, socketPath, maxBodyBytes = MAX_BODY_BYTES } = options;
  const response: AxiosResponse<Readable> = await axios.request({
    url: url.href,
    ...(json === undefined ? {} : { method: 'POST', data: json }),
    ...(method === undefined ? {} : { method }),
    ...(socketPath === undefined ? {} : { socketPath }),
    adapter: 'http',
    signal,
    proxy: false,
    maxRedirects: 0,
    validateStatus: () => true,
    responseType: 'stream',
    decompress: false,
    httpAgent,
    httpsAgent,
    headers: headersOf(options),
  });
  const { body, truncated } = await readBody(response.data, maxBodyBytes);
  const { headers } = response;
  const transfer = String(headers['transfer-encoding'] ?? '').trim();
  return {
    status: response.status,
    body,
    truncated,
    packed: packingIn(`${String(headers['content-encoding'] ?? '')},${transfer.replace(/chunked$/i, '')}`),
    // Of other codings the end is the connection's; none is asked for.
    delimited: headers['content-length'] !== undefined || /(?:^|[,\s])chunked$/i.test(transfer),
    setsCookie: headers['set-cookie'] !== undefined,
    setCookies: headers['set-cookie'] ?? [],
  };
}

/** The codings of an answer, but for the one that changes nothing. */
function packingIn(header: string): string | null {
  const codings = header.split(',').map((coding) => coding.trim().toLowerCase());
  const packings = codings.filter((coding) => coding !== '' && coding !== 'identity');
  return packings.length === 0 ? null : packings.join(', ');
}

/** By names in lower case, in which the user's `user-agent` and ours are the same one. */
function headersOf({ authorization, accept, headers = {} }: HttpOptions): Record<string, string> {
  const own = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    'user-agent': 'lastcall',
    'accept-encoding': 'identity',
    ...(authorization === undefined ? {} : { authorization }),
    ...(accept === undefined ? {} : { accept }),
    ...Object.fromEntries(own),
  };
}

/** Leaving the loop destroys the stream and its socket, so an endless body is not read on. */
async function readBody(stream: Readable, maxBytes: number): Promise<{ body: string; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let room = maxBytes;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk.subarray(0, room));
    room -= chunk.length;
    if (room < 0) break;
  }
  return { body: Buffer.concat(chunks).toString('utf8'), truncated: room < 0 };
}
