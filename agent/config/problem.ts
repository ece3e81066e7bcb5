import { quotedStart } from '../system/printable.ts';

/** One thing that is wrong in a configuration file, and where. */
export interface ConfigProblem {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units as editors count. */
  readonly column: number;
  /** `balancers[0].servers[1]`; empty where it is about the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A problem before the position of its path in the file is known. */
export interface Finding {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** `key`: the key itself is wrong (unknown), and not its value. */
  readonly at: 'key' | 'value';
}

const MAX_PATH_TEXT = 200;

/** Writes a path as `drain.quiet` or `balancers[0].servers[1]`; a key that is no plain name is quoted. */
export function pathText(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    const name = String(step);
    if (!/^[A-Za-z_][\w-]*$/.test(name)) return `${text}[${quote(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');
  return text.length > MAX_PATH_TEXT ? `${text.slice(0, MAX_PATH_TEXT)}...` : text;
}

/** A text from the file, in quotes, escaped and cut so that it cannot break or flood a line. */
export function quote(text: string): string {
  return quotedStart(text, 60);
}

/** `file:line:column: path: message`, the form that editors and compilers share. */
export function problemLine({ file, line, column, path, message }: ConfigProblem): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
}
