import axios, { type AxiosResponse } from 'axios';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import { withDeadline, type Clock } from './clock.ts';
import { errnoOf, isLastcallError, LastcallError, messageOf } from './error.ts';
import { quoted } from './printable.ts';

/** More than any health page or counter needs; what a server sends beyond it is not read. */
export const MAX_BODY_BYTES = 64 * 1024;

/** How a request may differ from the usual one, a GET. */
export interface HttpOptions {
  readonly method?: 'GET' | 'POST';
  /** The body, as JSON: the request is a POST. */
  readonly json?: object;
  /** A unix socket, to which it goes in place of the URL's host. */
  readonly socketPath?: string;
  /** The value of the header, and a secret: it is in no error. */
  readonly authorization?: string;
  /** Header fields of the user's own: they come over ours, and their values are secrets as well. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The value of the header. Default: axios' own, which prefers JSON. */
  readonly accept?: string;
  /** Default: MAX_BODY_BYTES. */
  readonly maxBodyBytes?: number;
  /** The URL's name in errors, where its path is a secret. Default: all but user, password and query. */
  readonly shown?: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** The beginning of the body as it came, at most `maxBodyBytes`, read as UTF-8. */
  readonly body: string;
  /** True when the body goes on after that. */
  readonly truncated: boolean;
  /** How the body is packed (`Content-Encoding`, `Transfer-Encoding`); null = it is not. It is never unpacked: a part of it may look whole. */
  readonly packed: string | null;
  /**
   * True when the answer itself has a marked end. Otherwise the end of the connection is its end, also in its
   * middle.
   */
  readonly delimited: boolean;
  /** True when the answer carries Set-Cookie: this request may have made a session. */
  readonly setsCookie: boolean;
  /** The values of Set-Cookie, which are secrets. */
  readonly setCookies: readonly string[];
}

/** Why the body of an answer cannot be read whole, as the end of a sentence; null where it can. */
export function flawOf({ truncated, packed }: HttpAnswer, maxBytes = MAX_BODY_BYTES): string | null {
  if (packed !== null) return `the body is packed (${quoted(packed)}), although it was asked for as it is`;
  return truncated ? `the body is longer than ${maxBytes} bytes` : null;
}

// A connection per request: one that is kept alive counts as a user at the application's port, and hides that the
// application has stopped listening.
const httpAgent = new HttpAgent({ keepAlive: false });
const httpsAgent = new HttpsAgent({ keepAlive: false });

/**
 * Checks a URL that is to be asked.
 * @throws LastcallError `config` when it is none, or neither http nor https (axios would also read `data:`)
 */
export function parseHttpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  const shown = text.replace(/\/\/[^/]*@/, '//');
  throw new LastcallError('config', `not an http or https URL: ${shown}`, {
    target: shown,
    next: 'write it as http://HOST:PORT/PATH',
  });
}

/** A URL as it may be shown: without user, password and query, which may be secrets. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/**
 * One POST of a JSON object, as careful as `httpGet`. A network that fails may have delivered it all the same.
 * @throws LastcallError as `httpGet`
 */
export function httpPost(
  url: URL,
  json: object,
  timeoutMs: number,
  ports: { clock: Clock; signal: AbortSignal },
  options: Pick<HttpOptions, 'shown'> = {},
): Promise<HttpAnswer> {
  return ask(url, timeoutMs, ports, { ...options, json });
}

/**
 * One GET: no proxy whatever the environment has, no redirect followed, no cookie kept, no connection kept, the
 * body capped, and one deadline over all of it (axios' own `timeout` starts anew with each byte). Any status is an
 * answer.
 * @param timeoutMs deadline in milliseconds, from the name look-up to the body's last byte
 * @throws LastcallError `failed` when there is no whole answer in time; the signal's reason when aborted
 */
export function httpGet(
  url: URL,
  timeoutMs: number,
  ports: { clock: Clock; signal: AbortSignal },
  options: HttpOptions = {},
): Promise<HttpAnswer> {
  return ask(url, timeoutMs, ports, options);
}

/**
 * One request of another method, or to another place, than `httpGet`, and as careful. A network that fails may have
 * delivered it all the same.
 * @throws LastcallError as `httpGet`
 */
export function httpSend(
  url: URL,
  timeoutMs: number,
  ports: { clock: Clock; signal: AbortSignal },
  options: HttpOptions,
): Promise<HttpAnswer> {
  return ask(url, timeoutMs, ports, options);
}

async function ask(
  url: URL,
  timeoutMs: number,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
  options: HttpOptions,
): Promise<HttpAnswer> {
  const began = clock.now();
  const { shown = shownUrl(url) } = options;
  // Without a cause: axios' error carries the URL with its password.
  const failed = (reason: string): LastcallError =>
    new LastcallError('failed', `${shown}: ${reason}`, {
      target: shown,
      elapsedMs: clock.now() - began,
      next: 'check that the application answers there',
    });
  const late = (): LastcallError => failed(`no whole answer within ${timeoutMs} ms`);
  try {
    return await withDeadline(clock, timeoutMs, signal, late, (own) => exchange(url, own, options));
  } catch (error) {
    if (signal.aborted || isLastcallError(error)) throw error;
    throw failed(reasonOf(error));
  }
}

async function exchange(url: URL, signal: AbortSignal, options: HttpOptions): Promise<HttpAnswer> {
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

/** `localhost` with two addresses fails with an empty message and a code only. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return message === '' || message === 'Error' ? (errnoOf(error) ?? 'no answer') : message;
}
