import type { HttpSourceConfig, ReadingConfig } from '../config/source-config.ts';
import type { Clock } from '../system/clock.ts';
import {
  flawOf,
  httpGet,
  parseHttpUrl,
  shownUrl,
  type HttpAnswer,
  type HttpOptions,
} from '../system/http.ts';
import { readJson, WrittenNumber, type WrittenJson } from '../formats/json-text.ts';
import { countOrThrow, noCount, parseCount, type CountProblem } from '../formats/parse-count.ts';
import { createSafeRegex } from '../formats/safe-regex.ts';
import { valueAt, parsePointer } from '../formats/json-pointer.ts';
import { parseSeries, readMetric } from '../formats/prometheus.ts';
import type { Source } from './source.ts';

/**
 * Reading is done in one go, in which nothing else is answered: a page or a pattern that takes longer than this is
 * read a twentieth of the time at most. But no reading waits for more than ten seconds.
 */
const CHEAP_MS = 10;
const PAUSE_PER_MS = 20;
const MAX_PAUSE_MS = 10_000;
/** A page of metrics is larger than any other with a count. */
const MAX_METRICS_BYTES = 1024 * 1024;

/**
 * Asks the application for its number of user sessions over HTTP: a plain number, or one in JSON, in a text that a
 * regular expression matches, or among Prometheus' metrics. Only a whole answer of status 200 with such a number
 * counts; all else is unknown, and unknown is never zero (I7).
 * @throws LastcallError `config` for an invalid URL, JSON pointer, regular expression or metric
 */
export function createHttpSource(
  config: HttpSourceConfig,
  name: string,
  { clock }: { clock: Clock },
): Source {
  const url = parseHttpUrl(config.url);
  const reader = readerOf(config.reading);
  const { expected, options } = reader;
  const readSafely = withoutValues(reader.read, Object.values(config.headers));
  let costMs = 0;
  const readTimed = (body: string): number | CountProblem => {
    const began = clock.now();
    const counted = readSafely(body);
    costMs = clock.now() - began;
    return counted;
  };

  return {
    name,
    minPauseMs: () => (costMs > CHEAP_MS ? Math.min(costMs * PAUSE_PER_MS, MAX_PAUSE_MS) : 0),
    async count(signal) {
      const began = clock.now();
      const answer = await httpGet(
        url,
        config.timeoutMs,
        { clock, signal },
        { ...options, headers: config.headers },
      );
      return countOrThrow(refusalOf(answer, reader) ?? readTimed(answer.body), {
        target: shownUrl(url),
        elapsedMs: clock.now() - began,
        next: `let it answer 200 and ${expected}`,
      });
    },
  };
}

/** Why the body of an answer is no count; null where it may be one. */
function refusalOf(answer: HttpAnswer, { options, endsItself }: Reader): CountProblem | null {
  if (answer.status !== 200) return { problem: `status ${answer.status} is no count of sessions` };
  const flaw = flawOf(answer, options.maxBodyBytes);
  if (flaw !== null) return { problem: flaw };
  if (endsItself || answer.delimited) return null;
  return {
    problem: 'the answer has neither a Content-Length nor chunks, so whether it is whole is unknown',
  };
}

const HIDDEN = '[redacted]';
/** The least length of a part that counts as secret: a shorter one is found in any text. */
const SECRET_CHARS = 6;

/**
 * A problem quotes the answer, and an application may echo the request: the problem is then that of a body which
 * contains neither a header's value nor a part of one (the token of `Bearer TOKEN`).
 */
function withoutValues(read: Reader['read'], values: readonly string[]): Reader['read'] {
  const secrets = values.flatMap((value) => [
    value,
    JSON.stringify(value).slice(1, -1),
    ...value.split(/\s+/).filter((word) => word.length >= SECRET_CHARS),
  ]);
  return (body) => {
    const counted = read(body);
    if (typeof counted === 'number' || !secrets.some((secret) => body.includes(secret))) return counted;
    const again = read(secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), body));
    return typeof again === 'number' ? { problem: 'the body is no count of sessions' } : again;
  };
}

interface Reader {
  readonly read: (body: string) => number | CountProblem;
  /** What the body must be. */
  readonly expected: string;
  /** A part of a body is never read as a smaller number than the whole. */
  readonly endsItself: boolean;
  readonly options: HttpOptions;
}

function readerOf(reading: ReadingConfig): Reader {
  switch (reading.kind) {
    case 'number':
      return {
        read: parseCount,
        expected: 'nothing but the number of sessions',
        endsItself: true,
        options: {},
      };
    case 'json':
      return jsonReader(reading.pointer);
    case 'regex': {
      const expected = `a text that ${reading.pattern} matches once, with the number of sessions in its group`;
      return { read: createSafeRegex(reading.pattern), expected, endsItself: false, options: {} };
    }
    case 'prometheus': {
      const series = parseSeries(reading.series);
      const expected = `Prometheus' text format with whole numbers of ${reading.series}`;
      // Some applications answer JSON to clients that accept it.
      const options = { accept: 'text/plain', maxBodyBytes: MAX_METRICS_BYTES };
      return { read: (body) => readMetric(body, series), expected, endsItself: false, options };
    }
    default:
      return reading satisfies never;
  }
}

function jsonReader(pointer: string): Reader {
  const keys = parsePointer(pointer);
  const read = (body: string): number | CountProblem => {
    const json = readJson(body);
    if ('problem' in json) return json;
    const value = valueAt(json.document, keys);
    if (value === undefined) return { problem: `the JSON has no value at "${pointer}"` };
    return countOf(value);
  };
  const expected = `JSON with the number of sessions at "${pointer}", in digits alone`;
  return { read, expected, endsItself: true, options: {} };
}

/** In quotes it is no count: an application that writes "0" may also write "" or "n/a" for it. */
function countOf(value: WrittenJson): number | CountProblem {
  if (value === null || typeof value === 'boolean') return noCount(String(value));
  if (typeof value === 'string') return noCount(JSON.stringify(value));
  if (Array.isArray(value)) return noCount('[...]');
  return value instanceof WrittenNumber ? parseCount(value.text) : noCount('{...}');
}
