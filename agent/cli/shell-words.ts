import { LastcallError } from '../system/error.ts';

/**
 * Splits a command into arguments: blanks part them, '...' and "..." keep them together, a backslash outside of
 * '...' takes the next character as it is. There is no shell: `;`, `|`, `$` and `*` are characters like any other.
 * @throws LastcallError `usage` when a quote is left open or there is no argument
 */
export function splitShellWords(text: string): readonly string[] {
  const words: string[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    const { word, length } = readWord(rest);
    words.push(word);
    rest = rest.slice(length).trimStart();
  }
  if (words.length === 0 || words[0] === '') throw problem('holds no command');
  return words;
}

const PIECES = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)/sy;

/** The argument at the beginning of `text`, which does not begin with a blank. */
function readWord(text: string): { word: string; length: number } {
  let word = '';
  let at = 0;
  while (at < text.length && !/\s/.test(text[at] ?? '')) {
    PIECES.lastIndex = at;
    const match = PIECES.exec(text);
    if (match === null) throw problem('has a quote without its end, or ends in a backslash');
    const [piece, single, double, escaped, plain] = match;
    word += single ?? double?.replaceAll(/\\(["\\])/g, '$1') ?? escaped ?? plain ?? '';
    at += piece.length;
  }
  return { word, length: at };
}

function problem(what: string): LastcallError {
  return new LastcallError('usage', `the command ${what}`, {
    next: 'quote the arguments as in "/opt/app/stop --now"',
  });
}
