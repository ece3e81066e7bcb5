/**
 * What a terminal obeys instead of showing: controls (C0, DEL, C1), format characters (they turn the direction of a line
 * or have no width), and the two line ends of Unicode.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/u;
const EACH_UNSEEN = new RegExp(UNSEEN, 'gu');

/** Whether a text has a character that `printable` would write out. */
export function hasUnprintable(text: string): boolean {
  return UNSEEN.test(text);
}

/**
 * A text from outside as it may be written to a terminal, within one line: each unseen character as its escape
 * (`\n`, `\u001b`, `\u{e0041}`). All else stays as it is.
 */
export function printable(text: string): string {
  return text.replace(EACH_UNSEEN, escaped);
}

/** The same with quotes around it, and with the escapes of JSON. */
export function quoted(text: string): string {
  return printable(JSON.stringify(text));
}

/** The beginning of a text from outside, in quotes, as a message may show it; a longer one ends with dots. */
export function quotedStart(text: string, mostCharacters: number): string {
  return quoted(text.length > mostCharacters ? `${text.slice(0, mostCharacters)}...` : text);
}

function escaped(char: string): string {
  if (char === '\n') return '\\n';
  const hex = (char.codePointAt(0) ?? 0).toString(16);
  return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
}
