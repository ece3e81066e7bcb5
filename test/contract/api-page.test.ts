import { describe, expect, test } from '@jest/globals';
import { ENDPOINTS } from '../../agent/control/routes.ts';
import { REQUEST_KEYS } from '../../agent/control/parse-request.ts';
import { UNLOCK_KEYS } from '../../agent/control/parse-unlock.ts';
import { warningFacts } from '../../agent/hooks/hooks.ts';
import { hookFacts } from '../../agent/hooks/phase-hook.ts';
import { EXIT_CODES } from '../../agent/system/error.ts';
import { metricNames } from '../support/metric-names.ts';
import { textOf } from '../support/repository.ts';
import { keysOfType, readDeclarations, type TypeKeys } from '../support/type-keys.ts';

/** API.md describes what the program has, and nothing else: every key, path, code and metric, both ways. */

const PAGE = textOf('agent/control/API.md');
const TYPES = readDeclarations('lifecycle');

/** The text below a heading, up to the next one of any level. */
function under(heading: string): string {
  const parts = PAGE.split(/^#+ /m).filter((part) => part.startsWith(`${heading}\n`));
  expect(parts).toHaveLength(1);
  return parts[0] ?? '';
}

/** The items "- `name` (type): what it is", as `name: type`; each has to say something. */
function itemsUnder(heading: string): string[] {
  return [...under(heading).matchAll(/^- `([^`]+)`(?: \(([^)]*)\))?: (.{4,})$/gm)].map(
    ([, name = '', type]) => (type === undefined ? name : `${name}: ${type}`),
  );
}

function described(keys: TypeKeys): string[] {
  return keys.map(([path, type]) => `${path}: ${type.replace(/^\?(.*)/, '$1; may be absent')}`);
}

test('Every path of the control socket has a section, and no other has', () => {
  const sections = [...PAGE.matchAll(/^### ((?:GET|POST|PUT|DELETE|PATCH) .*)$/gm)].map(
    ([, name = '']) => name,
  );
  expect(sections.sort()).toEqual([...ENDPOINTS].sort());
});

describe('The keys are those of', () => {
  test('a request', () => {
    expect(itemsUnder('POST /v1/operations').sort()).toEqual([...REQUEST_KEYS].sort());
  });

  test('an unlock, and its answer', () => {
    expect(itemsUnder('POST /v1/unlock').sort()).toEqual([...UNLOCK_KEYS].sort());
    const [, answer = ''] = /200 `\{([^}]*)\}`/.exec(under('POST /v1/unlock')) ?? [];
    const keys = keysOfType(readDeclarations('engine'), 'Unlocked').map(([path]) => `"${path}"`);
    expect(answer.split(',').sort()).toEqual(keys.sort());
  });

  test('what a warning gets, as JSON and in its environment', () => {
    const about = { id: 'x', operation: 'drain', sessions: 0, secondsLeft: 1, onTimeout: 'force' } as const;
    const { body, variables } = warningFacts('app1', about);
    const items = itemsUnder('Warnings').map((item) => item.split(': '));
    const shown = Object.keys(body).map((key, place) => [key, `\`${Object.keys(variables)[place]}\``]);
    expect(new Map(items as [string, string][])).toEqual(new Map(shown as [string, string][]));
    expect(items).toHaveLength(Object.keys(variables).length);
  });

  test('what a hook gets', () => {
    const operation = { id: 'x', operation: 'drain', by: 'test', reason: null } as const;
    const change = { phase: 'drained', previous: 'fencing', at: '', operation, sessions: 0 } as const;
    const { body } = hookFacts('app1', { ...change, code: Promise.resolve(null) }, 'done', 0);
    expect(itemsUnder('Hooks').sort()).toEqual(Object.keys(body).sort());
  });

  test.each([
    ['Status', 'Status'],
    ['Result', 'Result'],
    ['Who holds the node', 'HoldersReport'],
    ['The pool', 'PoolReport'],
  ])('%s', (heading, type) => {
    expect(itemsUnder(heading).sort()).toEqual(described(keysOfType(TYPES, type)).sort());
  });

  test('Doctor', () => {
    const keys = keysOfType(readDeclarations('doctor'), 'Diagnosis');
    expect(itemsUnder('Doctor').sort()).toEqual(described(keys).sort());
  });
});

test('The codes are those of the program, with their exit codes', () => {
  const rows = [...under('Codes').matchAll(/^\| `([\w-]+)` *\| (\d+) *\| (.+?) *\| (.+?) *\|$/gm)];
  expect(Object.fromEntries(rows.map(([, code = '', exit]) => [code, Number(exit)]))).toEqual({
    ...EXIT_CODES,
  });
});

test('The metrics are those of the program, with their labels and types', async () => {
  const metrics = (await metricNames()).map(([name, type]) => `${name}: ${type}`);
  expect(itemsUnder('Metrics').sort()).toEqual(metrics.sort());
});
