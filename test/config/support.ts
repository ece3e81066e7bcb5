import { expect, test } from '@jest/globals';
import type { Config } from '../../agent/config/config.ts';
import { loadConfig } from '../../agent/config/load.ts';
import type { LoadContext, Loaded } from '../../agent/config/load.ts';
import { problemLine } from '../../agent/config/problem.ts';

/** The smallest legal file: three lines, so that what a test adds begins in line 4. */
export const MINIMAL = 'balancers:\n  - haproxy: /run/haproxy/admin.sock\n    servers: [app/app1]\n';

export const CONTEXT: LoadContext = {
  file: 'lastcall.yaml',
  env: {},
  hostname: 'host1',
  isTerminal: false,
  supervised: false,
};

export function load(text: string, context: Partial<LoadContext> = {}): Promise<Loaded> {
  return loadConfig(text, { ...CONTEXT, ...context });
}

/** The configuration of a text that has to be right. */
export async function configOf(text: string, context: Partial<LoadContext> = {}): Promise<Config> {
  const loaded = await load(text, context);
  expect(linesOf(loaded)).toEqual([]);
  if (!loaded.ok) throw new Error('not a configuration');
  return loaded.config;
}

/** `line:column: path: message` of every problem; none when the text is right. */
export function linesOf(loaded: Loaded): string[] {
  return loaded.ok
    ? []
    : loaded.problems.map((problem) => problemLine(problem).replace('lastcall.yaml:', ''));
}

export async function problemsOf(text: string, context: Partial<LoadContext> = {}): Promise<string[]> {
  return linesOf(await load(text, context));
}

/** What is added in line 4, and every problem it makes. */
export function refuses(cases: readonly (readonly [added: string, ...problems: string[]])[]): void {
  test.each(cases.map(([added, ...problems]) => ({ added, problems })))(
    '$added',
    async ({ added, problems }) => {
      expect(await problemsOf(`${MINIMAL}${added}\n`)).toEqual(problems);
    },
  );
}
