import { excerpt, type CountProblem } from './parse-count.ts';

/** JSON as it was written: `JSON.parse` makes 0 of `1e-400`, and of two values of one key it takes the last. Pure. */

/** A number as its text in the document. */
export class WrittenNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Objects have no prototype: each of their keys is one of the text. */
export type WrittenJson =
  string | boolean | null | WrittenNumber | readonly WrittenJson[] | { readonly [key: string]: WrittenJson };

/** The tokens of a JSON text: strings, numbers, names and marks; between them is nothing but blanks. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * Reads a document.
 * @returns a problem for what is no JSON, and for an object that has a key twice: which of its values is meant is
 *   unknown
 */
export function readJson(text: string): { readonly document: WrittenJson } | CountProblem {
  try {
    JSON.parse(text);
  } catch {
    // Not its message: it quotes the text with all its controls.
    return { problem: `${excerpt(text)} is no JSON` };
  }
  const open: JsonContainer[] = [];
  let document: WrittenJson = null;
  for (const [token] of text.matchAll(TOKEN)) {
    const top = open.at(-1);
    if (token === ',' || token === ':') continue;
    if (token === '}' || token === ']') {
      open.pop();
    } else if (top?.kind === 'object' && top.key === null) {
      top.key = JSON.parse(token) as string;
      if (Object.hasOwn(top.value, top.key))
        return { problem: `the JSON has the key ${excerpt(top.key)} twice` };
    } else {
      const value = valueOf(token, open);
      if (top === undefined) document = value;
      else put(top, value);
    }
  }
  return { document };
}

type JsonContainer =
  | { readonly kind: 'list'; readonly value: WrittenJson[] }
  | { readonly kind: 'object'; readonly value: Record<string, WrittenJson>; key: string | null };

function put(into: JsonContainer, value: WrittenJson): void {
  if (into.kind === 'list') into.value.push(value);
  else {
    into.value[into.key ?? ''] = value;
    into.key = null;
  }
}

/** The value that begins with this token; one that has values of its own is open from now on. */
function valueOf(token: string, open: JsonContainer[]): WrittenJson {
  if (token === '[') {
    const value: WrittenJson[] = [];
    open.push({ kind: 'list', value });
    return value;
  }
  if (token === '{') {
    const value = Object.create(null) as Record<string, WrittenJson>;
    open.push({ kind: 'object', value, key: null });
    return value;
  }
  return /^[-\d]/.test(token) ? new WrittenNumber(token) : (JSON.parse(token) as string | boolean | null);
}
