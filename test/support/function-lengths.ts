import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './sample.ts';
import { parseFile } from './syntax.ts';

/** A function that is written out somewhere: where, and how long it is. */
export interface FunctionLength {
  /** `agent/sidecar.ts:12` */
  readonly place: string;
  readonly lines: number;
}

const KINDS = [
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'MethodProperty',
  'ClassMethod',
  'PrivateMethod',
  'Constructor',
  'GetterProperty',
  'SetterProperty',
];

/** @returns the TypeScript files below a folder of the repository, by their paths in it */
export function sourceFiles(folder: string): readonly string[] {
  return readdirSync(join(packageRoot(), folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

/** @returns each function of one file, also those within another, from its first word to its last brace */
export function functionLengths(file: string): readonly FunctionLength[] {
  const source = parseFile(join(packageRoot(), file));
  return source.nodes
    .filter(({ type }) => KINDS.includes(type))
    .map((node) => source.lines(node))
    .map(({ first, count }) => ({ place: `${file}:${first}`, lines: count }));
}

/** @returns how many lines the file has */
export function linesOf(file: string): number {
  return readFileSync(join(packageRoot(), file), 'utf8').trimEnd().split('\n').length;
}
