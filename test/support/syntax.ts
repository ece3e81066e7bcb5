import { type ModuleItem, parseSync } from '@swc/core';
import { readFileSync } from 'node:fs';

/** The syntax tree of a source file, as much of it as the tests of the code's shape ask for. */
export interface Node {
  readonly type: string;
  readonly span?: { readonly start: number; readonly end: number };
  readonly [key: string]: unknown;
}

export interface Source {
  /** Every node, parents before their children. */
  readonly nodes: readonly Node[];
  /** The 1-based line in which a node begins, and how many it takes. */
  lines(node: Node): { readonly first: number; readonly count: number };
}

/** Parses a TypeScript file. @throws Error when it is none */
export function parseFile(path: string): Source {
  const text = readFileSync(path);
  const { body, span } = parseSync(text.toString(), { syntax: 'typescript', target: 'es2023' });
  // Offsets are in bytes, and go on from file to file in one process.
  const base = beginOf(text.toString(), body, span.start);
  const nodes: Node[] = [];
  collect(body, nodes);
  const lineAt = (offset: number): number =>
    text
      .subarray(0, offset - base)
      .toString()
      .split('\n').length;
  return {
    nodes,
    lines({ span: { start, end } = { start: base, end: base } }) {
      const first = lineAt(start);
      return { first, count: lineAt(end) - first + 1 };
    },
  };
}

/** A module's span begins with its first statement, not with the comment before it. */
function beginOf(text: string, body: readonly ModuleItem[], start: number): number {
  const isEmpty = body.length === 0;
  const comments = /^(?:\s|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)*/.exec(text)?.[0] ?? '';
  return isEmpty ? start : start - Buffer.byteLength(comments);
}

function collect(value: unknown, into: Node[]): void {
  if (Array.isArray(value)) for (const one of value) collect(one, into);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  if ('type' in value && typeof value.type === 'string') into.push(value as Node);
  for (const child of Object.values(value)) collect(child, into);
}
