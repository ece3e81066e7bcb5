import type { HttpSourceConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import { httpGet, MAX_BODY_BYTES, parseHttpUrl, shownUrl, type HttpAnswer } from '../system/http.ts';
import { follow, parsePointer } from './pointer.ts';
import type { Source } from './source.ts';

/**
 * Asks the application for its number of user sessions over HTTP: a plain number, or one in JSON. Only a whole
 * answer of status 200 that is nothing but such a number counts; all else is unknown, and unknown is never zero (I7).
 * @throws LastcallError `config` for a URL or a JSON pointer that is none
 */
export function createHttpSource(
  config: HttpSourceConfig,
  name: string,
  { clock }: { clock: Clock },
): Source {
  const url = parseHttpUrl(config.url);
  const pointer = config.json === null ? null : { text: config.json, keys: parsePointer(config.json) };

  return {
    name,
    async count(signal) {
      const began = clock.now();
      const answer = await httpGet(url, config.timeoutMs, { clock, signal });
      const count = read(answer, pointer);
      if (typeof count === 'number') return count;
      throw new LastcallError('failed', `${shownUrl(url)}: ${count.problem}`, {
        target: shownUrl(url),
        elapsedMs: clock.now() - began,
        next:
          config.json === null
            ? 'let it answer 200 and nothing but the number of sessions'
            : `let it answer 200 and JSON with the number of sessions at "${config.json}"`,
      });
    },
  };
}

type Problem = { readonly problem: string };
type Pointer = { readonly text: string; readonly keys: readonly string[] };

function read(answer: HttpAnswer, pointer: Pointer | null): number | Problem {
  if (answer.status !== 200) return { problem: `status ${answer.status} is no count of sessions` };
  if (answer.truncated) return { problem: `the body is longer than ${MAX_BODY_BYTES} bytes` };
  return pointer === null ? readPlain(answer.body) : readJson(answer.body, pointer);
}

function readPlain(body: string): number | Problem {
  if (!/^\s*\d+\s*$/.test(body)) return { problem: `${shown(body)} is no count of sessions` };
  return whole(Number(body), body);
}

function readJson(body: string, { text, keys }: Pointer): number | Problem {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch (error) {
    return { problem: `the body is no JSON: ${messageOf(error)}` };
  }
  const value = follow(document, keys);
  if (value === undefined) return { problem: `the JSON has no value at "${text}"` };
  return whole(value, JSON.stringify(value));
}

/** A number in quotes is refused: who writes "0" may also write "" or "n/a" for it. */
function whole(value: unknown, text: string): number | Problem {
  const isCount = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
  return isCount && !Object.is(value, -0) ? value : { problem: `${shown(text)} is no count of sessions` };
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
