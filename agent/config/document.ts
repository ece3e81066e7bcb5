import { Lexer, Parser, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';

/** A place in the text: 1-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML document without errors of syntax. */
export interface Parsed {
  readonly document: Document.Parsed;
  readonly root: Node | null;
  /** Where an offset of the text is. */
  positionOf(offset: number): Position;
}

export interface SyntaxProblem extends Position {
  readonly message: string;
}

/**
 * The parser's stack for a legal configuration stays under 16. Deeper text is refused before the tree is built: the
 * builder recurses, and near the end of its stack V8 can die in a regular expression where nothing can be caught.
 */
const MAX_DEPTH = 64;
/**
 * Scalars, keys among them, and anchors: the builder compares each key of a mapping with all before it, and looks for an
 * anchor among all of them, so that many of them take a time that grows with their square.
 */
const MAX_SCALARS = 10_000;
const MAX_ANCHORS = 100;
/** The mark that the lexer writes before the text of a scalar. */
const SCALAR = '\u001f';
/** What follows the first few errors of syntax is mostly their echo. */
const MAX_SYNTAX_PROBLEMS = 20;

/** Reads a text as one YAML 1.2 document. Answers the errors of syntax instead where there are any; never throws. */
export function parseYaml(text: string): Parsed | readonly SyntaxProblem[] {
  const unreadable = findForbidden(text) ?? findTooMuch(text);
  if (unreadable !== undefined) return [unreadable];
  const positionOf = placesIn(text);
  // Not `silent`: that would also drop the error about a second document (yaml 2.9, parseDocument).
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
  const problems = [...document.errors, ...document.warnings]
    .slice(0, MAX_SYNTAX_PROBLEMS)
    .map(({ pos, message }) => ({ ...positionOf(pos[0]), message: explained(text, pos[0], message) }));
  const { explicit, version } = document.directives.yaml;
  if (explicit === true && version !== '1.2') {
    problems.push({ line: 1, column: 1, message: `YAML ${version} is not read, take the %YAML line away` });
  }
  return problems.length > 0 ? problems : { document, root: document.contents, positionOf };
}

/** The parser's message in one line; a bare `${` among braces of YAML's own gets the cure. */
function explained(text: string, offset: number, message: string): string {
  if (text.startsWith('${', offset - 1)) return 'put ${...} in quotes inside { } and [ ]';
  if (message.includes('multiple documents')) return 'begins a second document, put all of it into one';
  return message.replaceAll(/\s+/g, ' ');
}

/** A byte order mark, or a NUL, which no path, name or argument of ours may hold. */
function findForbidden(text: string): SyntaxProblem | undefined {
  if (text.startsWith('\uFEFF')) {
    return { line: 1, column: 1, message: 'starts with a byte order mark, save it as UTF-8 without one' };
  }
  const nul = text.indexOf('\0');
  return nul < 0 ? undefined : { ...placesIn(text)(nul), message: 'a NUL character, this is no text file' };
}

function findTooMuch(text: string): SyntaxProblem | undefined {
  const parser = new Parser();
  const tooMuch = (message: string): SyntaxProblem => ({ ...placesIn(text)(parser.offset), message });
  let scalars = 0;
  let anchors = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme === SCALAR || lexeme.startsWith('"') || lexeme.startsWith("'")) scalars += 1;
    if (lexeme.startsWith('&')) anchors += 1;
    if (scalars > MAX_SCALARS) return tooMuch(`more than ${MAX_SCALARS} values`);
    if (anchors > MAX_ANCHORS) return tooMuch(`more than ${MAX_ANCHORS} anchors`);
    // The parser works while its tokens are taken; it is their nesting that counts here, not they.
    for (const token of parser.next(lexeme)) void token;
    if (parser.stack.length > MAX_DEPTH) {
      return tooMuch('nested too deeply for a configuration');
    }
  }
  return undefined;
}

/**
 * Finds the places of offsets in a text. Not yaml's own LineCounter: it misses the ends of lines in a scalar that is
 * never closed (yaml 2.9), just where the place is needed.
 */
function placesIn(text: string): (offset: number) => Position {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    const within = Math.min(offset, text.length);
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= within) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: within - (starts[low] ?? 0) + 1 };
  };
}
