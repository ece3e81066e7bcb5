/** Writes a configuration file: lines of YAML, comments of any length, and the lines that the operator has to complete. */
export interface YamlWriter {
  /** Lines of YAML as they are. */
  yaml(...lines: readonly string[]): void;
  /**
   * A comment, wrapped.
   * @param indent so many blanks before it
   */
  comment(text: string, indent?: number): void;
  /** A comment that begins with EDIT: the operator has to do something here. */
  edit(text: string, indent?: number): void;
  /** Lines of YAML that are commented out: the operator takes the `# ` away where they fit. */
  choice(indent: number, ...lines: readonly string[]): void;
  blank(): void;
  result(): YamlText;
}

export interface YamlText {
  readonly text: string;
  /** The lines that the operator has to complete, counted from 1, and what they ask for. */
  readonly edits: readonly { readonly line: number; readonly text: string }[];
}

/** A comment's line has at most so many characters. */
const WIDTH = 110;
const EDIT = 'EDIT: ';

export function createYamlWriter(): YamlWriter {
  const lines: string[] = [];
  const edits: { line: number; text: string }[] = [];
  const comment = (text: string, indent = 0): void => {
    const start = `${' '.repeat(indent)}# `;
    lines.push(...wrapped(oneLine(text), WIDTH - start.length).map((line) => `${start}${line}`));
  };
  return {
    yaml: (...more) => void lines.push(...more.map(oneLine)),
    comment,
    edit(text, indent) {
      edits.push({ line: lines.length + 1, text: oneLine(text) });
      comment(`${EDIT}${text}`, indent);
    },
    choice: (indent, ...more) =>
      void lines.push(...more.map((line) => `${' '.repeat(indent)}# ${oneLine(line)}`)),
    blank: () => void lines.push(''),
    result: () => ({ text: `${lines.join('\n')}\n`, edits }),
  };
}

/** Whatever was read elsewhere cannot end a comment or a line: what YAML or a terminal takes for more than a letter is a blank. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
}

function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').filter((part) => part !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** A text as a value of YAML: plain where no letter of it means more to YAML, else between double quotes. */
export function scalar(text: string): string {
  const isWord = /^[A-Za-z/][\w./:@-]*$/.test(text) && !text.endsWith(':') && !RESERVED.test(text);
  const isPlain = isWord || /^\d+\.\d+\.\d+\.\d+:\d+$/.test(text);
  return isPlain ? text : JSON.stringify(text);
}

/** What YAML 1.1 or 1.2 reads as something else than a text. */
const RESERVED = /^(true|false|yes|no|on|off|null|y|n|nan|inf|infinity)$/i;
