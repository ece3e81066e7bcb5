import { nodeNameProblem, serverNameProblem } from '../config/validators.ts';
import { type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { tlsOf } from './direct-options.ts';
import { listServers } from './direct-status.ts';
import { findSidecar } from './find-sidecar.ts';
import type { CliPorts } from './ports.ts';
import { splitShellWords } from './shell-words.ts';
import type { WordKind } from './word-kinds.ts';

/** What a shell offers that only a live process knows. */

type FindNames = (
  words: readonly string[],
  ports: CliPorts,
  signal: AbortSignal,
) => Promise<readonly string[]>;

const KINDS: Readonly<
  Record<WordKind, { readonly find: FindNames; readonly problemOf: (name: string) => string | undefined }>
> = {
  servers: { find: serversOf, problemOf: serverNameProblem },
  nodes: { find: deadHolders, problemOf: nodeNameProblem },
};

/** The time for an answer: a user has pressed the tabulator and waits. */
const COMPLETION_MS = 300;

/**
 * The names that a live HAProxy, or the sidecar, has.
 * @param line what has been typed so far, the program's name included
 * @returns nothing where the line names no HAProxy, or none answers in time: the shell has no use for an error. Only names
 *   that a command would take are in it, so that no shell finds anything else in them.
 */
export async function completeWords(
  kind: WordKind,
  line: string,
  ports: CliPorts,
): Promise<readonly string[]> {
  const { find, problemOf } = KINDS[kind];
  const late = (): LastcallError => new LastcallError('failed', 'no answer in time');
  try {
    const words = splitShellWords(line);
    const names = await withDeadline(
      ports.clock,
      COMPLETION_MS,
      new AbortController().signal,
      late,
      (signal) => find(words, ports, signal),
    );
    return [...new Set(names.filter((name) => problemOf(name) === undefined))];
  } catch {
    // A completion that fails offers nothing; the command itself will report what is wrong.
    return [];
  }
}

async function serversOf(
  words: readonly string[],
  { clock }: { readonly clock: Clock },
): Promise<readonly string[]> {
  const haproxy = valuesOf(words, '--haproxy');
  const [tlsCa, tlsCert, tlsKey] = ['ca', 'cert', 'key'].map((name) => valuesOf(words, `--tls-${name}`)[0]);
  const files = Object.entries({ tlsCa, tlsCert, tlsKey }).filter(([, file]) => file !== undefined);
  const tls = tlsOf({ wait: true, ...Object.fromEntries(files) }, haproxy);
  const lists = await Promise.all(
    haproxy.map((address) => listServers(address, { tls }, clock, COMPLETION_MS)),
  );
  return lists.flatMap(({ names }) => names);
}

/** `unlock` refuses to free the slot of a node whose sidecar lives. */
async function deadHolders(
  words: readonly string[],
  ports: CliPorts,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const [socket] = valuesOf(words, '--socket');
  const config = valuesOf(words, '--config')[0] ?? valuesOf(words, '-c')[0];
  const globals = {
    ...(socket === undefined ? {} : { socket }),
    ...(config === undefined ? {} : { config }),
  };
  const { lock } = await (await findSidecar({ ports, globals })).pool(signal);
  return (lock?.holders ?? []).filter(({ alive }) => !alive).map(({ node }) => node);
}

/** `--name VALUE` and `--name=VALUE`. */
function valuesOf(words: readonly string[], option: string): string[] {
  return words.flatMap((word, at) => {
    if (word === option) return words[at + 1] ?? [];
    return word.startsWith(`${option}=`) ? word.slice(option.length + 1) : [];
  });
}
