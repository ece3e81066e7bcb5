import { parseYaml } from './document.ts';
import { located, syntaxProblems } from './locate-problems.ts';
import { pathText } from './problem.ts';
import type { ConfigProblem } from './problem.ts';
import type { Environment } from './substitute.ts';
import { buildTree } from './tree.ts';

export interface Keys {
  readonly node: string | null;
  readonly control: string | null;
}

export type ReadKeys =
  | { readonly ok: true; readonly keys: Keys }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/**
 * Reads `node` and the control socket's path out of a configuration, whatever the rest of it is.
 * @returns null for what is not written; the problems when it is no YAML, or when one of these two has a variable
 *   that is not set or is no text. Where the socket is written the node is not needed.
 */
export function readKeys(text: string, file: string, env: Environment): ReadKeys {
  const parsed = parseYaml(text);
  if (!('document' in parsed)) return { ok: false, problems: syntaxProblems(file, parsed) };
  const tree = buildTree(parsed, env);
  const written = below(below(tree.value, 'listen'), 'control');
  const nested = typeof written === 'object' && written !== null && !Array.isArray(written);
  const control = nested ? below(written, 'path') : written;
  const controlPath = ['listen', 'control', ...(nested ? ['path'] : [])];
  const [path, value] =
    control === undefined ? [['node'], below(tree.value, 'node')] : [controlPath, control];
  const found = tree.findings.filter((finding) => pathText(finding.path) === pathText(path));
  if (value !== undefined && typeof value !== 'string')
    found.push({ path, message: 'expected a text', at: 'value' });
  if (found.length > 0) return { ok: false, problems: located(file, tree, found) };
  const read = typeof value === 'string' ? value : null;
  return {
    ok: true,
    keys: control === undefined ? { node: read, control: null } : { node: null, control: read },
  };
}

function below(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}
