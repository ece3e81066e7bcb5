/**
 * Finds what the CLI needs in the common shapes of a configuration file without a YAML parser, whose loading costs
 * as much as the rest of `lastcall status`. Returns that it cannot where the text is not plainly one of those
 * shapes. Pure.
 */
export type Scanned =
  | { readonly sure: true; readonly node: string | null; readonly control: string | null }
  | { readonly sure: false };

const COMMENT = /^ *(?:#.*)?$/;
/** Beginnings of a line that make the document something else than one plain block mapping. */
const SPECIAL_START = /^(?:--|\.\.\.|[%&!*?{["'|>])/;
/** Plain scalars that YAML reads as text: no number, no reference to the environment. */
const NODE = /^node: +([A-Za-z][A-Za-z0-9_.-]*)(?: +#.*| *)$/;
const CONTROL = /^ +control: +(\/[A-Za-z0-9_./-]+)(?: +#.*| *)$/;
const NOT_TEXT = /^(?:true|false|null)$/i;

/** Reads `node` and `listen.control` where each is a plain scalar in block style, or absent. */
export function scan(text: string): Scanned {
  const lines = text.split('\n').filter((line) => !COMMENT.test(line));
  if (!lines.every(isPlain)) return { sure: false };
  const node = only(lines, 'node', (at) => NODE.exec(lines[at] ?? '')?.[1]);
  const control = only(lines, 'control', (at) =>
    isUnderListen(lines, at) ? CONTROL.exec(lines[at] ?? '')?.[1] : undefined,
  );
  if (node === undefined || control === undefined || NOT_TEXT.test(node ?? '')) return { sure: false };
  return { sure: true, node, control };
}

/** Blanks other than spaces, escapes, and quotes or brackets that stay open over the line's end are YAML's business. */
function isPlain(line: string): boolean {
  if (/[^\x20-\x7e]|\\/.test(line) || SPECIAL_START.test(line)) return false;
  const count = (sign: RegExp): number => line.match(sign)?.length ?? 0;
  const closed = count(/[[{]/g) === count(/[\]}]/g);
  return closed && count(/"/g) % 2 === 0 && count(/'/g) % 2 === 0;
}

/** What `read` makes of the only line with this key; null without one, undefined where that is ambiguous. */
function only(
  lines: readonly string[],
  word: string,
  read: (at: number) => string | undefined,
): string | null | undefined {
  const holding = lines.flatMap((line, at) => (line.includes(word) ? [at] : []));
  const [at] = holding;
  if (at === undefined) return null;
  // A deeper line after it goes on with the value.
  const goesOn = indentOf(lines[at + 1] ?? '') > indentOf(lines[at] ?? '');
  return holding.length > 1 || goesOn ? undefined : read(at);
}

/** Is the line among the first-level children of `listen:`? */
function isUnderListen(lines: readonly string[], at: number): boolean {
  const head = lines.slice(0, at).findLastIndex((line) => !line.startsWith(' '));
  if (!/^listen:(?: +#.*| *)$/.test(lines[head] ?? '')) return false;
  return indentOf(lines[head + 1] ?? '') === indentOf(lines[at] ?? '');
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
