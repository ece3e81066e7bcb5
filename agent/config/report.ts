import { LastcallError } from '../system/error.ts';
import type { Loaded } from './load.ts';
import { problemLine } from './problem.ts';
import type { ConfigProblem } from './problem.ts';

/** The one JSON object of `lastcall check --json`. */
export interface CheckReport {
  readonly ok: boolean;
  readonly code: 'done' | 'config';
  readonly file: string;
  readonly problems: readonly Omit<ConfigProblem, 'file'>[];
  readonly warnings: readonly string[];
}

/** The output of `lastcall check --json` for a file that could be read. */
export function checkReport(file: string, loaded: Loaded): CheckReport {
  if (loaded.ok) return { ok: true, code: 'done', file, problems: [], warnings: loaded.warnings };
  const problems = loaded.problems.map(({ line, column, path, message }) => ({
    line,
    column,
    path,
    message,
  }));
  return { ok: false, code: 'config', file, problems, warnings: [] };
}

/** The one error of a command that found its configuration wrong: the first problem, and how many more there are. */
export function configError(file: string, problems: readonly ConfigProblem[]): LastcallError {
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  const text = first === undefined ? `${file}: not a configuration` : `${problemLine(first)}${more}`;
  return new LastcallError('config', text, {
    target: file,
    next: `see them all with lastcall check -c ${file}`,
  });
}
