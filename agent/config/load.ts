import type { Config } from './config.ts';
import { controlPathOf, statePathOf } from './defaults.ts';
import { parseYaml } from './document.ts';
export { readKeys } from './keys.ts';
import { findingsOf, messageFor } from './messages.ts';
import { exposedFiles } from './exposure.ts';
import { warnOfOpen } from './open-rules.ts';
import { located, syntaxProblems, withoutValues } from './locate-problems.ts';
import { pathText, quote } from './problem.ts';
import type { Finding, ConfigProblem } from './problem.ts';
import { checkRules, warningsOf } from './rules.ts';
import { file as schema } from './schema.ts';
import type { File } from './schema.ts';
import type { Environment } from './substitute.ts';
import { readText } from './read-file.ts';
import { buildTree } from './tree.ts';
import { nodeNameProblem } from './validators.ts';

/** What a configuration depends on besides its text. */
export interface LoadContext {
  /** The file's name in every message. */
  readonly file: string;
  readonly env: Environment;
  /** The node's name where the file gives none. */
  readonly hostname: string;
  /** Do log lines go to a terminal? Then they are text where the file sets no format. */
  readonly isTerminal: boolean;
  /** True under `run -- COMMAND`: start and stop are the child's, the file needs none. */
  readonly supervised: boolean;
}

export type Loaded =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/**
 * Reads and checks a configuration file, and whether other users may change it or the files that it names.
 * @returns as `loadConfig`
 * @throws LastcallError `config` when there is no such file, or it cannot be read, is too big or is no text
 */
export async function readConfig(path: string, context: Omit<LoadContext, 'file'>): Promise<Loaded> {
  const loaded = await loadConfig(await readText(path), { ...context, file: path });
  if (!loaded.ok) return loaded;
  return { ...loaded, warnings: [...loaded.warnings, ...(await exposedFiles(path, loaded.config))] };
}

/** Loads what `readConfig` otherwise loads for some files only (rules.ts). */
export async function loadRest(): Promise<void> {
  await import('node-cron');
}

/**
 * Checks a configuration: syntax, then every value at its position, then the values against each other. Of each of
 * these three all problems are reported, in the order of the file; the next is checked when there are none.
 * @returns the complete configuration, frozen, or the problems; it throws nothing, whatever the text
 */
export async function loadConfig(text: string, context: LoadContext): Promise<Loaded> {
  const parsed = parseYaml(text);
  if (!('document' in parsed)) {
    return { ok: false, problems: syntaxProblems(context.file, parsed) };
  }
  const tree = buildTree(parsed, context.env);
  const problems = (found: readonly Finding[]): Loaded => ({
    ok: false,
    problems: located(context.file, tree, found),
  });
  if (!tree.complete) return problems(tree.findings);
  const checked = schema.safeParse(tree.value, { error: messageFor });
  if (!checked.success) return problems(merged(tree.findings, checked.error.issues.flatMap(findingsOf)));
  if (tree.findings.length > 0) return problems(tree.findings);
  const config = complete(checked.data, context);
  const nameProblem = nodeNameProblem(config.node);
  if (nameProblem !== undefined) {
    const message = `the host name ${quote(config.node)} cannot be used, write a name: ${nameProblem}`;
    return problems([{ path: ['node'], message, at: 'value' }]);
  }
  const found = await checkRules(config, context.supervised);
  if (found.length > 0) return problems(found);
  const warnings = [...warningsOf(config, context.supervised), ...warnOfOpen(config)];
  return {
    ok: true,
    config: freeze(config),
    warnings: warnings.map((warning) => withoutValues(tree, warning)),
  };
}

/** Fills in what depends on the node's name and on where we run. */
function complete(written: File, { hostname, isTerminal }: LoadContext): Config {
  const node = written.node ?? hostname;
  const { reloadGrace, ...same } = written;
  const { control } = written.listen;
  return {
    ...same,
    node,
    reloadGraceMs: reloadGrace,
    listen: { ...written.listen, control: { ...control, path: control.path ?? controlPathOf(node) } },
    state: written.state ?? statePathOf(node),
    log: { level: written.log.level, format: written.log.format ?? (isTerminal ? 'text' : 'json') },
  };
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value);
    Object.values(value).forEach(freeze);
  }
  return value;
}

/** A value that could not be read is not also reported as wrong. */
function merged(unread: readonly Finding[], problem: readonly Finding[]): Finding[] {
  const reported = new Set(unread.map(({ path }) => pathText(path)));
  return [...unread, ...problem.filter(({ path }) => !reported.has(pathText(path)))];
}
