import { findSidecar } from './find-sidecar.ts';
import type { Context, Globals } from './ports.ts';
import { type SnapshotClient, showSnapshot } from './snapshot.ts';

/** `status` of the sidecar, once: scripts and dashboards run it every few seconds. */
export interface PlainStatus {
  readonly name: 'status';
  readonly globals: Globals;
  readonly work: (context: Context) => Promise<number>;
}

/** The options with a value, by how they may be written. */
const WITH_VALUE: Readonly<Record<string, 'config' | 'socket'>> = {
  '-c': 'config',
  '--config': 'config',
  '--socket': 'socket',
};

const FLAGS: Readonly<Record<string, 'json' | 'quiet'>> = { '--json': 'json', '--quiet': 'quiet' };

/**
 * Reads a command line that is no more than `status` and the options that each verb has, with each value a word of its
 * own. It is read here, and not by commander, whose loading costs more than the work.
 * @returns null for any other command line
 */
export function readPlainStatus(words: readonly string[]): PlainStatus | null {
  const globals: { -readonly [Key in keyof Globals]: Globals[Key] } = {};
  let isStatus = false;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const flag = own(FLAGS, word);
    const option = own(WITH_VALUE, word);
    if (flag !== undefined) globals[flag] = true;
    else if (option !== undefined) {
      at += 1;
      const value = words[at];
      if (value === undefined || value === '' || value.startsWith('-')) return null;
      globals[option] = value;
    } else if (word === 'status' && !isStatus) isStatus = true;
    else return null;
  }
  return isStatus ? { name: 'status', globals, work: showPlainStatus } : null;
}

async function showPlainStatus(context: Context): Promise<number> {
  const client: SnapshotClient = await findSidecar(context);
  return showSnapshot(context, client);
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
