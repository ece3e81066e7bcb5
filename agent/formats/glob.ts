import { LastcallError } from '../system/error.ts';

/** One part of a path: a name, or a pattern that names may match. */
export type GlobPart = string | Pattern;
export type Pattern = readonly Token[];

type Token =
  | { readonly kind: 'many' }
  | { readonly kind: 'one' }
  | { readonly kind: 'literal'; readonly character: string }
  | { readonly kind: 'class'; readonly members: string; readonly not: boolean };

/**
 * The parts of an absolute path with `*`, `?` and `[...]` (`[!...]`, `[a-z]`), as a shell reads them: no part
 * matches a `/`, nor a dot at the beginning of a name. A bracket that is not closed is a bracket.
 * @throws LastcallError `config` when the path is not absolute, or ends with `/`
 */
export function parseGlob(path: string): readonly GlobPart[] {
  if (!path.startsWith('/') || path.endsWith('/')) {
    throw new LastcallError('config', `not an absolute path of files: ${path}`, {
      target: path,
      next: 'write it as /directory/name_*',
    });
  }
  const parts = path.split('/').filter((part) => part !== '');
  return parts.map((part) => {
    const tokens = tokensOf(part);
    return tokens.every(({ kind }) => kind === 'literal') ? part : tokens;
  });
}

/**
 * Does the whole name match? In the worst case one step for each character and token: a regular expression made of
 * `*a*a*a*b` would not end on a long name.
 */
export function matches(pattern: Pattern, name: string): boolean {
  if (name.startsWith('.') && !isDot(pattern[0])) return false;
  let [at, token] = [0, 0];
  /** Where to go on when a match fails: the last `*`, taking one character more. */
  let star: { readonly token: number; at: number } | null = null;
  while (at < name.length) {
    const here = pattern[token];
    if (here?.kind === 'many') {
      star = { token, at };
      token += 1;
    } else if (here !== undefined && isOf(here, name.charAt(at))) {
      token += 1;
      at += 1;
    } else if (star !== null) {
      star.at += 1;
      at = star.at;
      token = star.token + 1;
    } else return false;
  }
  return pattern.slice(token).every(({ kind }) => kind === 'many');
}

function isDot(token: Token | undefined): boolean {
  return token?.kind === 'literal' && token.character === '.';
}

function isOf(token: Token, character: string): boolean {
  switch (token.kind) {
    case 'many':
    case 'one':
      return true;
    case 'literal':
      return token.character === character;
    case 'class':
      return isMember(token.members, character) !== token.not;
    default:
      return token satisfies never;
  }
}

function isMember(members: string, character: string): boolean {
  for (let at = 0; at < members.length; at += 1) {
    const first = members.charAt(at);
    const isRange = members.charAt(at + 1) === '-' && at + 2 < members.length;
    const last = isRange ? members.charAt(at + 2) : first;
    if (first <= character && character <= last) return true;
    if (isRange) at += 2;
  }
  return false;
}

// The first character after `[` or `[!` belongs to the class even when it is `]`.
const TOKEN = /\*+|\?|\[([!^]?)(\]?[^\]]*)\]|[^]/g;

function tokensOf(part: string): Token[] {
  return [...part.matchAll(TOKEN)].map(([text, not, members]): Token => {
    if (members !== undefined && members !== '') return { kind: 'class', members, not: not !== '' };
    if (text.startsWith('*')) return { kind: 'many' };
    return text === '?' ? { kind: 'one' } : { kind: 'literal', character: text };
  });
}
