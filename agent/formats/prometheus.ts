import { LastcallError } from '../system/error.ts';
import { noCount, excerpt, sum, whole, type CountProblem } from './parse-count.ts';

/**
 * Reads one metric out of Prometheus' text format (exposition format 0.0.4, of which OpenMetrics' lines are a kind):
 * `name{label="value",...} value [timestamp] [# exemplar]`. Pure.
 */

export interface Series {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
}

/**
 * `metric` or `metric{label="value",...}` as written in a configuration.
 * @throws LastcallError `config` when it is neither
 */
export function parseSeries(text: string): Series {
  const read = readSeries(text);
  if (read !== null && text.slice(read.end).trim() === '') return read.series;
  throw new LastcallError('config', `not a metric of Prometheus: ${text}`, {
    target: text,
    next: 'write it as metric or metric{label="value"}',
  });
}

/**
 * The sum of all series of this name that have these labels, whatever others they have.
 * @returns a problem when there is none, when one of them is no whole number, or when any line is not whole: the line
 *   of a series may have become a part of it
 */
export function readMetric(body: string, wanted: Series): number | CountProblem {
  const counts: (number | CountProblem)[] = [];
  for (const line of linesOf(body)) {
    const text = line.trim();
    if (!isAbout(text, wanted.name)) {
      if (!isWhole(text)) return { problem: `${excerpt(text)} is no line of Prometheus' text format` };
      continue;
    }
    const read = readSeries(text);
    // The last line ends with a line feed too; one that does not may have lost digits.
    if (read === null || !line.endsWith('\n')) {
      counts.push({ problem: `${excerpt(text)} is no whole line of Prometheus' text format` });
    } else if (matches(read.series, wanted)) counts.push(readValue(text.slice(read.end)));
  }
  return counts.length > 0 ? sum(counts) : { problem: 'the answer has no such metric' };
}

/** Each with its line feed, where it has one. */
function* linesOf(body: string): Generator<string> {
  for (let at = 0; at < body.length;) {
    const end = body.indexOf('\n', at);
    const next = end < 0 ? body.length : end + 1;
    yield body.slice(at, next);
    at = next;
  }
}

function isAbout(line: string, name: string): boolean {
  return line.startsWith(name) && !/[\w:]/.test(line.charAt(name.length));
}

const FLOAT = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/.source;
/** A time, and an exemplar. */
const AFTER_VALUE = /(?:[ \t]+-?\d+(?:\.\d+)?)?(?:[ \t]+#.*)?$/.source;
const LABELS = /\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}/.source;
const SAMPLE = new RegExp(
  `^(?:[a-zA-Z_:][\\w:]*[ \\t]*(?:${LABELS})?|${LABELS})[ \\t]+(?:${FLOAT}|[+-]?(?:Inf|NaN))${AFTER_VALUE}`,
);
const TYPE =
  /^#[ \t]+TYPE[ \t]+\S+[ \t]+(?:counter|gauge|histogram|gaugehistogram|summary|untyped|unknown|info|stateset)$/;

/** Whether a line can be of another metric, and of no more than one: Prometheus, too, refuses a page with any other. */
function isWhole(line: string): boolean {
  if (/^#[ \t]+TYPE\b/.test(line)) return TYPE.test(line);
  return line === '' || /^#(?:[ \t]|$)/.test(line) || SAMPLE.test(line);
}

/** A label that is not there is as good as an empty one, as in Prometheus' own queries. */
function matches({ labels }: Series, wanted: Series): boolean {
  return [...wanted.labels].every(([label, value]) => (labels.get(label) ?? '') === value);
}

const NAME = /[a-zA-Z_:][\w:]*/y;
const OPEN = /\s*\{\s*/y;
const LABEL = /([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*/y;
const COMMA = /,\s*/y;
const CLOSE = /\}/y;

function readSeries(text: string): { readonly series: Series; readonly end: number } | null {
  let at = 0;
  const take = (token: RegExp): RegExpExecArray | null => {
    token.lastIndex = at;
    const found = token.exec(text);
    at += found?.[0].length ?? 0;
    return found;
  };
  const name = take(NAME)?.[0];
  if (name === undefined) return null;
  const labels = new Map<string, string>();
  if (take(OPEN) === null) return { series: { name, labels }, end: at };
  for (let label = take(LABEL); label !== null; label = take(COMMA) && take(LABEL)) {
    labels.set(label[1] ?? '', unescaped(label[2] ?? ''));
  }
  return take(CLOSE) === null ? null : { series: { name, labels }, end: at };
}

/** Of any other escape the backslash stays, as Prometheus' own parser has it. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([\\"n])/g, (_all, character: string) => (character === 'n' ? '\n' : character));
}

const NUMBER = new RegExp(`^[ \\t]+(${FLOAT})${AFTER_VALUE}`);

/** Exporters write whole numbers as `3`, `3.0` or `3e0`; NaN and +Inf are legal, and no count. */
function readValue(text: string): number | CountProblem {
  const written = NUMBER.exec(text)?.[1];
  if (written === undefined) return noCount(text.trim());
  const value = Number(written);
  // So small a fraction that it has become zero.
  if (value === 0 && /^[^eE]*[1-9]/.test(written)) return noCount(written);
  return whole(value, written);
}
