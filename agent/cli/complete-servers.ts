import { serverNameProblem } from '../config/validators.ts';
import { type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { tlsOf } from './direct-options.ts';
import { listServers } from './direct-status.ts';
import { splitShellWords } from './shell-words.ts';

/** The servers that a shell offers behind `--server`: those of the HAProxy that the same line names. */

/** The time for an answer: a user has pressed the tabulator and waits. */
const COMPLETION_MS = 300;

/**
 * The names that a live HAProxy has.
 * @param line what has been typed so far, the program's name included
 * @returns nothing where no HAProxy is named, or none answers in time: the shell has no use for an error. Only names that a
 *   command would take are in it, so that no shell finds anything else in them.
 */
export async function completeServers(line: string, clock: Clock): Promise<readonly string[]> {
  try {
    const words = splitShellWords(line);
    const haproxy = valuesOf(words, '--haproxy');
    const [tlsCa, tlsCert, tlsKey] = ['ca', 'cert', 'key'].map((name) => valuesOf(words, `--tls-${name}`)[0]);
    const files = Object.entries({ tlsCa, tlsCert, tlsKey }).filter(([, file]) => file !== undefined);
    const tls = tlsOf({ wait: true, ...Object.fromEntries(files) }, haproxy);
    const late = (): LastcallError => new LastcallError('balancer-unreachable', 'no answer in time');
    const lists = await withDeadline(clock, COMPLETION_MS, new AbortController().signal, late, () =>
      Promise.all(haproxy.map((address) => listServers(address, { tls }, clock, COMPLETION_MS))),
    );
    const names = lists.flatMap((list) => list.names).filter((name) => serverNameProblem(name) === undefined);
    return [...new Set(names)];
  } catch {
    // A completion that fails offers nothing; the command itself will report what is wrong.
    return [];
  }
}

/** `--name VALUE` and `--name=VALUE`. */
function valuesOf(words: readonly string[], option: string): string[] {
  return words.flatMap((word, at) => {
    if (word === option) return words[at + 1] ?? [];
    return word.startsWith(`${option}=`) ? word.slice(option.length + 1) : [];
  });
}
