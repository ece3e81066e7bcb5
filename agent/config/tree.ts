import { isAlias, isMap, isNode, isScalar, isSeq } from 'yaml';
import type { Alias, Node, Pair, Scalar, YAMLMap } from 'yaml';
import type { Parsed, Position } from './document.ts';
import { quote } from './problem.ts';
import type { Finding } from './problem.ts';
import { substitute } from './substitute.ts';
import type { Environment } from './substitute.ts';

type Path = readonly PropertyKey[];

/** The values of a document with the environment put in, and their positions. */
export interface Tree {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  /** False where the document was too much to be read to its end: then only the findings count. */
  readonly complete: boolean;
  /** The variables of the environment, by the text that each value became. */
  readonly substituted: ReadonlyMap<string, readonly string[]>;
  /** The position of a path, or else of the nearest path above it. */
  find(path: Path, at: Finding['at']): FoundNode;
}

export interface FoundNode {
  readonly place: Position;
  /** The path itself; where a plain value is in place of a mapping, the path of that value. */
  readonly path: Path;
  /** The environment's variables that gave the value. */
  readonly variables: readonly string[];
}

interface NodePosition {
  readonly key: Position;
  readonly value: Position;
  readonly scalar: boolean;
  readonly variables: readonly string[];
}

interface Visit {
  readonly parsed: Parsed;
  readonly env: Environment;
  readonly findings: Finding[];
  readonly positions: Map<string, NodePosition>;
  readonly substituted: Map<string, readonly string[]>;
  aliases: number;
  values: number;
  complete: boolean;
}

/** Aliases followed in one document: one that holds itself ends here. */
const MAX_ALIASES = 100;
/** Values in one document, those behind an alias counted each time: a bomb of nested aliases ends here. */
const MAX_VALUES = 10_000;
const START: Position = { line: 1, column: 1 };

/**
 * Turns a document into plain values, `${NAME}` replaced. A plain scalar is typed after its replacement as YAML would
 * type it, so `${PORT}` can be a number; a quoted one stays a text.
 */
export function buildTree(parsed: Parsed, env: Environment): Tree {
  const visited: Visit = {
    parsed,
    env,
    findings: [],
    positions: new Map(),
    substituted: new Map(),
    aliases: 0,
    values: 0,
    complete: true,
  };
  const value = parsed.root === null ? null : visit(visited, parsed.root, [], START);
  const { findings, complete, substituted } = visited;
  return { value, findings, complete, substituted, find: (path, at) => find(visited.positions, path, at) };
}

function keyOf(path: Path): string {
  return JSON.stringify(path.map(String));
}

function find(positions: ReadonlyMap<string, NodePosition>, path: Path, at: Finding['at']): FoundNode {
  for (let length = path.length; length >= 0; length -= 1) {
    const above = path.slice(0, length);
    const position = positions.get(keyOf(above));
    if (position === undefined) continue;
    return { place: position[at], path: position.scalar ? above : path, variables: position.variables };
  }
  return { place: START, path, variables: [] };
}

function visit(visited: Visit, node: Node, path: Path, key: Position): unknown {
  if (!visited.complete) return null;
  visited.values += 1;
  // An empty value has no position: its key does.
  const [from, to] = node.range ?? [0, 0];
  const value = to > from ? visited.parsed.positionOf(from) : key;
  visited.positions.set(keyOf(path), { key, value, scalar: isScalar(node), variables: [] });
  if (visited.values > MAX_VALUES) return giveUp(visited, path, `more than ${MAX_VALUES} values`);
  if (isAlias(node)) return visitAlias(visited, node, path, key);
  if (node.tag !== undefined) report(visited, path, `tags are not read, take ${quote(node.tag)} away`);
  if (isScalar(node)) return visitScalar(visited, node, path, { key, value, scalar: true });
  if (isMap(node)) return visitMap(visited, node, path);
  return visitSeq(visited, node, path);
}

function visitAlias(visited: Visit, alias: Alias, path: Path, key: Position): unknown {
  visited.aliases += 1;
  if (visited.aliases > MAX_ALIASES)
    return giveUp(visited, path, `more than ${MAX_ALIASES} aliases, or one that holds itself`);
  const target = alias.resolve(visited.parsed.document);
  if (target !== undefined) return visit(visited, target, path, key);
  report(visited, path, `there is no anchor &${alias.source} before this alias`);
  return null;
}

function giveUp(visited: Visit, path: Path, message: string): null {
  visited.complete = false;
  report(visited, path, message);
  return null;
}

function visitSeq(visited: Visit, node: Node, path: Path): unknown {
  if (!isSeq(node)) return null;
  return node.items.map((item, at) =>
    isNode(item)
      ? visit(visited, item, [...path, at], visited.parsed.positionOf(item.range?.[0] ?? 0))
      : null,
  );
}

function visitMap(visited: Visit, map: YAMLMap, path: Path): unknown {
  const result: Record<string, unknown> = {};
  for (const pair of map.items as Pair<Node, Node | null>[]) {
    const name = nameOf(pair.key);
    const key = visited.parsed.positionOf(pair.key.range?.[0] ?? 0);
    const below = [...path, name];
    visited.positions.set(keyOf(below), { key, value: key, scalar: true, variables: [] });
    const value = pair.value === null ? null : visit(visited, pair.value, below, key);
    // Not an assignment: a key `__proto__` must become a key and be refused like any other unknown one.
    Object.defineProperty(result, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return result;
}

/** Keys are texts here; whatever else YAML allows as a key is written as a text, and will not be a known one. */
function nameOf(key: Node): string {
  if (!isScalar(key)) return key.toString();
  return typeof key.value === 'string' ? key.value : (key.source ?? '');
}

function visitScalar(
  visited: Visit,
  node: Scalar,
  path: Path,
  position: Omit<NodePosition, 'variables'>,
): unknown {
  if (typeof node.value !== 'string') return node.value;
  const done = substitute(node.value, visited.env);
  if (!done.ok) {
    report(visited, path, done.message);
    return node.value;
  }
  if (done.text.includes('\0')) report(visited, path, 'a NUL character is legal nowhere');
  if (done.names.length === 0) return node.value;
  visited.positions.set(keyOf(path), { ...position, variables: done.names });
  visited.substituted.set(done.text, done.names);
  for (const name of done.names) visited.substituted.set(visited.env[name] ?? '', [name]);
  return node.type === 'PLAIN' ? typed(visited, done.text) : done.text;
}

/** Types a text as YAML types a plain scalar: null, boolean, number or itself. */
function typed(visited: Visit, text: string): unknown {
  for (const tag of visited.parsed.document.schema.tags) {
    if (tag.collection !== undefined || tag.default !== true || tag.test?.test(text) !== true) continue;
    return plain(tag.resolve(text, () => undefined, visited.parsed.document.options));
  }
  return text;
}

function plain(resolved: unknown): unknown {
  return isScalar(resolved) ? resolved.value : resolved;
}

function report(visited: Visit, path: Path, message: string): void {
  visited.findings.push({ path, message, at: 'value' });
}
