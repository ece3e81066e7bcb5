import { findSidecar } from './find-sidecar.ts';
import type { Context, Globals } from './ports.ts';
import { showSnapshot } from './snapshot.ts';

/** A verb that scripts run again and again, with no more than the options that each verb has. */
export interface PlainLine {
  readonly name: string;
  readonly globals: Globals;
  readonly work: (context: Context) => Promise<number>;
}

type Work = PlainLine['work'];

/** `status` of the sidecar, once, for dashboards; `check` for deploy scripts and editors. */
const VERBS: Readonly<Record<string, Work>> = {
  status: async (context) => showSnapshot(context, await findSidecar(context)),
  check: async (context) => (await import('./check.ts')).check(context),
};

/** The options with a value, by how they may be written. */
const WITH_VALUE: Readonly<Record<string, 'config' | 'socket'>> = {
  '-c': 'config',
  '--config': 'config',
  '--socket': 'socket',
};

const FLAGS: Readonly<Record<string, 'json' | 'quiet'>> = { '--json': 'json', '--quiet': 'quiet' };

/**
 * Reads a command line that is no more than one of these verbs and the options that each verb has, with each value a word
 * of its own. It is read here, and not by commander, whose loading costs more than the work.
 * @returns null for any other command line
 */
export function readPlainLine(words: readonly string[]): PlainLine | null {
  const globals: { -readonly [Key in keyof Globals]: Globals[Key] } = {};
  let verb: Pick<PlainLine, 'name' | 'work'> | null = null;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const flag = own(FLAGS, word);
    const option = own(WITH_VALUE, word);
    const work = own(VERBS, word);
    if (flag !== undefined) globals[flag] = true;
    else if (option !== undefined) {
      at += 1;
      const value = words[at];
      if (value === undefined || value === '' || value.startsWith('-')) return null;
      globals[option] = value;
    } else if (work !== undefined && verb === null) verb = { name: word, work };
    else return null;
  }
  return verb && { ...verb, globals };
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
