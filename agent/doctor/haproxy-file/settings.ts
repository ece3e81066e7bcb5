import type { FileLine, FileSection, HaproxyFile } from './file.ts';

/** What holds for one proxy of a file: its own lines, below those of its `defaults`. */

/** A section that has servers; frontends may have the same name up to 3.2. */
export function backendOf({ sections }: HaproxyFile, name: string): FileSection | null {
  return (
    sections.find((one) => (one.kind === 'backend' || one.kind === 'listen') && one.name === name) ?? null
  );
}

/** The lines of a section with those that it inherits before them. */
export function linesFor(file: HaproxyFile, section: FileSection): readonly FileLine[] {
  const chain: FileSection[] = [];
  for (let next: FileSection | null = section; next !== null && !chain.includes(next);)
    [chain[chain.length], next] = [next, defaultsOf(file, next)];
  return chain.toReversed().flatMap(({ lines }) => lines);
}

/** A proxy without `from` has the last `defaults` before it; a `defaults` without `from` has none. */
function defaultsOf({ sections }: HaproxyFile, section: FileSection): FileSection | null {
  const { from, kind } = section;
  if (from !== null) return sections.find((one) => one.kind === 'defaults' && one.name === from) ?? null;
  if (kind === 'defaults') return null;
  return sections.slice(0, sections.indexOf(section)).findLast((one) => one.kind === 'defaults') ?? null;
}

export function globalLines({ sections }: HaproxyFile): readonly FileLine[] {
  return sections.filter(({ kind }) => kind === 'global').flatMap(({ lines }) => lines);
}

/** The last line that begins with these words. */
export function lastLine(lines: readonly FileLine[], ...start: readonly string[]): FileLine | null {
  return lines.findLast(({ words }) => start.every((word, at) => words[at] === word)) ?? null;
}

/** The line that switches an option on; null where none does, or a later `no option` (or `default option`) ends it. */
export function optionLine(lines: readonly FileLine[], name: string): FileLine | null {
  const last = lines.findLast(
    ({ words }) =>
      (words[0] === 'option' && words[1] === name) || (words[1] === 'option' && words[2] === name),
  );
  return last?.words[0] === 'option' ? last : null;
}

/** One server with what `default-server` gives it. */
export interface ServerSettings {
  readonly number: number;
  /** All words of the `default-server` lines before it, then its own after the address. */
  readonly words: readonly string[];
}

/**
 * A `default-server` holds for the servers below it. A server of a `server-template` has the template's name and a number.
 * @param lines as `linesFor` gives them
 */
export function serverSettings(lines: readonly FileLine[], server: string): ServerSettings | null {
  const defaults: string[] = [];
  for (const { words, number } of lines) {
    const [keyword, name = ''] = words;
    if (keyword === 'default-server') defaults.push(...words.slice(1));
    if (keyword === 'server' && name === server) return { number, words: [...defaults, ...words.slice(3)] };
    const isTemplate = keyword === 'server-template' && server.startsWith(name);
    if (isTemplate && /^\d+$/.test(server.slice(name.length)))
      return { number, words: [...defaults, ...words.slice(4)] };
  }
  return null;
}

/**
 * All servers of a proxy by their names; a `server-template` is its first server.
 * @param lines as `linesFor` gives them
 */
export function allServers(lines: readonly FileLine[]): ReadonlyMap<string, ServerSettings> {
  const names = lines.flatMap(({ words: [keyword, name = ''] }) => {
    if (keyword === 'server') return [name];
    return keyword === 'server-template' ? [`${name}1`] : [];
  });
  return new Map(
    names.flatMap((name) => {
      const settings = serverSettings(lines, name);
      return settings === null ? [] : [[name, settings] as const];
    }),
  );
}

/** The value behind a server's keyword, the last one written; null where it is not there. */
export function valueOf({ words }: ServerSettings, keyword: string): string | null {
  const at = words.lastIndexOf(keyword);
  return at < 0 ? null : (words[at + 1] ?? null);
}

/** Whether a server has a keyword without a value, and no `no-` of it after that. */
export function hasFlag({ words }: ServerSettings, keyword: string): boolean {
  return words.lastIndexOf(keyword) > words.lastIndexOf(`no-${keyword}`);
}

const UNITS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  '': 1,
};

/** A time as HAProxy writes it, in milliseconds (a bare number is such); null for any other text, as `${INTER}`. */
export function timeMs(text: string): number | null {
  const [, digits = '', unit = ''] = /^(\d+)(us|ms|s|m|h|d|)$/.exec(text) ?? [];
  return digits === '' ? null : Number(digits) * (UNITS[unit] ?? 1);
}

/** The request of an HTTP health check, as far as the file shows it; null without one. */
export interface CheckRequest {
  readonly method: string;
  readonly uri: string;
  readonly host: string | null;
}

/** By `http-check send`, else by the words of `option httpchk`, whose default is `OPTIONS /`. */
export function checkRequest(lines: readonly FileLine[]): CheckRequest | null {
  const option = optionLine(lines, 'httpchk');
  if (option === null) return null;
  const [one, other] = option.words.slice(2);
  const send = lines.findLast(({ words }) => words[0] === 'http-check' && words[1] === 'send')?.words ?? [];
  const after = (keyword: string): string | undefined => send[send.indexOf(keyword, 2) + 1];
  const written = (keyword: string): string | undefined =>
    send.includes(keyword) ? after(keyword) : undefined;
  const host = send.findIndex((word, at) => word === 'hdr' && send[at + 1]?.toLowerCase() === 'host');
  return {
    method: written('meth') ?? (other === undefined ? 'OPTIONS' : (one ?? 'OPTIONS')),
    uri: written('uri') ?? other ?? one ?? '/',
    host: host < 0 ? null : (send[host + 2] ?? null),
  };
}
