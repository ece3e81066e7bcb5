import { withDeadline, type Clock } from './clock.ts';
import { MAX_BODY_BYTES, type HttpAnswer, type HttpOptions } from './http-answer.ts';
import { errnoOf, isLastcallError, LastcallError, messageOf } from './error.ts';
import { quoted } from './printable.ts';

export { MAX_BODY_BYTES, type HttpAnswer, type HttpOptions };

/** Why the body of an answer cannot be read whole, as the end of a sentence; null where it can. */
export function flawOf({ truncated, packed }: HttpAnswer, maxBytes = MAX_BODY_BYTES): string | null {
  if (packed !== null) return `the body is packed (${quoted(packed)}), although it was asked for as it is`;
  return truncated ? `the body is longer than ${maxBytes} bytes` : null;
}

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
    return await withDeadline(clock, timeoutMs, signal, late, async (own) => {
      const { exchange } = await loadHttp();
      return exchange(url, own, options);
    });
  } catch (error) {
    if (signal.aborted || isLastcallError(error)) throw error;
    throw failed(reasonOf(error));
  }
}

/**
 * Loads axios. Most commands send no HTTP, and it is a sixth of the program. A process that may outlive an upgrade of the
 * package calls this at its start.
 */
export function loadHttp(): Promise<typeof import('./http-exchange.ts')> {
  return import('./http-exchange.ts');
}

/** `localhost` with two addresses fails with an empty message and a code only. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  // Of OpenSSL's message the rest is an address of memory, places in its source and a line end.
  const tls = /SSL routines:[^:]*:([^:]+):/.exec(message)?.[1];
  if (tls !== undefined) return `TLS: ${tls}`;
  return message === '' || message === 'Error' ? (errnoOf(error) ?? 'no answer') : message;
}
