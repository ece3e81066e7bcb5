import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { packageRoot } from './sample.ts';

/** Which source file names which other one, by whatever kind of import: of values, of types alone, or lazily. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/** `import ... from`, `export ... from`, `import './x.ts'`, and `import('./x.ts')` in code and in types. */
const NAMED = /^(?:import|export)\s[^;]*?\sfrom\s'(\.[^']+)'|^import\s'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gms;

/** The graph of all TypeScript below these folders of the repository; paths are relative to its root. */
export function readImports(folders: readonly string[]): ImportGraph {
  const root = packageRoot();
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name)),
  );
  return new Map(files.map((file) => [file, importsIn(readFileSync(join(root, file), 'utf8'), file)]));
}

/** What one file imports. */
export function importsIn(text: string, file: string): string[] {
  const named = [...text.matchAll(NAMED)].map(([, from, bare, lazy]) => from ?? bare ?? lazy ?? '');
  return [...new Set(named.map((name) => relative('', join(dirname(file), name))))];
}

/** Every circle, as the files from each of which an import leads to all others (Tarjan's components). */
export function circlesOf(graph: ImportGraph): string[][] {
  const circles: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): number => {
    const own = order.size;
    order.set(file, own);
    lowest.set(file, own);
    stack.push(file);
    for (const to of graph.get(file) ?? []) {
      if (!graph.has(to)) continue;
      const isOpen = stack.includes(to);
      const low = order.has(to) ? (isOpen ? (order.get(to) ?? own) : own) : visit(to);
      lowest.set(file, Math.min(lowest.get(file) ?? own, low));
    }
    const low = lowest.get(file) ?? own;
    if (low !== own) return low;
    const circle = stack.splice(stack.indexOf(file)).sort();
    if (circle.length > 1) circles.push(circle);
    // Nothing that comes later belongs to a circle that is complete.
    return Number.POSITIVE_INFINITY;
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return circles;
}
