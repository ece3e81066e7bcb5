import type { SyntaxProblem } from './document.ts';
import { pathText } from './problem.ts';
import type { Finding, ConfigProblem } from './problem.ts';
import type { Tree } from './tree.ts';
import { printable } from '../system/printable.ts';

/** The least length of a value that counts as secret: a shorter one is found in any text. */
const SECRET_CHARS = 3;
/** The least number of characters of a value that a message quotes before `...`. */
const QUOTED_CHARS = 40;

/**
 * Takes what came out of the environment, which may be a secret, out of a message: each value, and the beginning of a
 * long one, is shown as the names of its variables.
 */
export function withoutValues({ substituted }: Pick<Tree, 'substituted'>, message: string): string {
  const values = [...substituted].filter(([value]) => value.length >= SECRET_CHARS);
  return values
    .toSorted(([a], [b]) => b.length - a.length)
    .reduce((text, [value, names]) => {
      const shown = names.map((name) => `\${${name}}`).join('');
      const forms = [value, JSON.stringify(value).slice(1, -1), printable(value)];
      const whole = forms.reduce((all, form) => all.replaceAll(form, () => shown), text);
      // A quoted text that was cut ends with dots.
      const begun =
        value.length > QUOTED_CHARS ? JSON.stringify(value.slice(0, QUOTED_CHARS)).slice(1, -1) : null;
      if (begun === null || !whole.includes(begun)) return whole;
      const [before = '', ...after] = whole.split(begun);
      return [before, ...after.map((rest) => rest.replace(/^[^"]*?\.\.\./, ''))].join(shown);
    }, message);
}

/** Puts findings at their places, in the order of the file. */
export function located(file: string, tree: Tree, findings: readonly Finding[]): ConfigProblem[] {
  const problems = findings.map(({ path, message: written, at }) => {
    const found = tree.find(path, at);
    const message = withoutValues(tree, written);
    const from = found.variables.map((name) => `\${${name}}`).join(', ');
    const text = from === '' ? message : `${message} (from ${from})`;
    return { file, ...found.place, path: pathText(found.path), message: text };
  });
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** Errors of syntax have a place, but no path. */
export function syntaxProblems(file: string, problems: readonly SyntaxProblem[]): ConfigProblem[] {
  return problems.map(({ line, column, message }) => ({ file, line, column, path: '', message }));
}
