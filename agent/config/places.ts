import type { SyntaxProblem } from './document.ts';
import { pathText } from './problem.ts';
import type { Finding, Problem } from './problem.ts';
import type { Tree } from './tree.ts';

/** Puts findings at their places, in the order of the file; of several about one value only the first counts. */
export function placed(file: string, tree: Tree, findings: readonly Finding[]): Problem[] {
  const problems = new Map<string, Problem>();
  for (const { path, message, at } of findings) {
    const found = tree.find(path, at);
    const key = JSON.stringify(found.path.map(String));
    const from = found.variables.map((name) => `\${${name}}`).join(', ');
    const told = from === '' ? message : `${message} (from ${from})`;
    if (!problems.has(key))
      problems.set(key, { file, ...found.place, path: pathText(found.path), message: told });
  }
  return [...problems.values()].toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** Errors of syntax have a place, but no path. */
export function syntaxProblems(file: string, problems: readonly SyntaxProblem[]): Problem[] {
  return problems.map(({ line, column, message }) => ({ file, line, column, path: '', message }));
}
