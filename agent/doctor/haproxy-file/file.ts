import { splitLine } from './split-line.ts';

/**
 * haproxy.cfg, read as far as traps need it: sections and their lines as words. It is tolerant: what it does not know
 * stays a line of words, and what it cannot read is listed, so that nothing is claimed of it.
 */
export interface HaproxyFile {
  readonly path: string;
  readonly sections: readonly FileSection[];
  /** Lines that could not be read, and lines before the first section, by their numbers. */
  readonly unread: readonly number[];
}

export interface FileSection {
  /** `global`, `defaults`, `frontend`, `backend`, `listen`, `peers`, ... */
  readonly kind: string;
  /** '' where it has none. */
  readonly name: string;
  /** The `defaults` section that it names with `from`; null = the last one before it. */
  readonly from: string | null;
  readonly lines: readonly FileLine[];
}

export interface FileLine {
  readonly words: readonly string[];
  /** From 1. */
  readonly number: number;
  /** It stands between `.if` and `.endif`, and no file shows whether it holds. */
  readonly conditional: boolean;
}

/** The keywords that begin a section (configuration.txt, chapters 3 and 4, and what modules add). */
const SECTIONS = new Set([
  'global',
  'defaults',
  'frontend',
  'backend',
  'listen',
  'peers',
  'resolvers',
  'userlist',
  'mailers',
  'cache',
  'program',
  'http-errors',
  'ring',
  'log-forward',
  'log-profile',
  'fcgi-app',
  'crt-store',
  'traces',
  'acme',
]);

export function parseHaproxyFile(path: string, text: string): HaproxyFile {
  const sections: (FileSection & { readonly lines: FileLine[] })[] = [];
  const unread: number[] = [];
  let depth = 0;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const words = splitLine(line);
    const number = index + 1;
    const [first] = words ?? [];
    if (words === null) unread.push(number);
    else if (first === '.if') depth++;
    else if (first === '.endif') depth = Math.max(0, depth - 1);
    else if (first === undefined || first.startsWith('.')) continue;
    else if (SECTIONS.has(first)) sections.push({ ...headOf(words), lines: [] });
    else {
      const section = sections.at(-1);
      if (section === undefined) unread.push(number);
      else section.lines.push({ words, number, conditional: depth > 0 });
    }
  }
  return { path, sections, unread };
}

/** `backend app from common`, `frontend web`, `defaults from base`. */
function headOf([kind = '', ...words]: readonly string[]): Omit<FileSection, 'lines'> {
  const at = words.indexOf('from');
  const [name = ''] = at === 0 ? [] : words;
  return { kind, name, from: at < 0 ? null : (words[at + 1] ?? null) };
}
