import type { SyntaxProblem } from './document.ts';
import { pathText } from './problem.ts';
import type { Finding, Problem } from './problem.ts';
import type { Tree } from './tree.ts';

/** Puts findings at their places, in the order of the file. */
export function placed(file: string, tree: Tree, findings: readonly Finding[]): Problem[] {
  const problems = findings.map(({ path, message, at }) => {
    const found = tree.find(path, at);
    const from = found.variables.map((name) => `\${${name}}`).join(', ');
    const told = from === '' ? message : `${message} (from ${from})`;
    return { file, ...found.place, path: pathText(found.path), message: told };
  });
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** Errors of syntax have a place, but no path. */
export function syntaxProblems(file: string, problems: readonly SyntaxProblem[]): Problem[] {
  return problems.map(({ line, column, message }) => ({ file, line, column, path: '', message }));
}
