import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { EXIT_CODES, isLastcallError, LastcallError } from '../../agent/system/error.ts';
import { packageRoot } from '../support/sample.ts';

/** The codes, word for word: scripts depend on them, and a retired code never comes back. */
const CONTRACT = {
  done: 0,
  accepted: 0,
  failed: 1,
  cancelled: 1,
  'in-doubt': 1,
  usage: 64,
  'agent-unreachable': 69,
  'balancer-unreachable': 69,
  'app-stop': 70,
  'app-health': 70,
  'state-write': 73,
  guard: 75,
  locked: 75,
  braked: 75,
  busy: 75,
  held: 75,
  uncounted: 75,
  unkeepable: 75,
  unlisted: 75,
  config: 78,
  'no-such-server': 78,
  'not-permitted': 78,
  deadline: 124,
  interrupted: 130,
};

describe('The codes', () => {
  test('are those that scripts know', () => {
    expect(EXIT_CODES).toEqual(CONTRACT);
  });

  test('have each exit code in the README', () => {
    const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
    const table = readme.slice(readme.indexOf('| exit code'));
    for (const exit of new Set(Object.values(EXIT_CODES)))
      expect(table).toMatch(new RegExp(`^\\| ${exit}\\b`, 'm'));
  });

  test('are known by the error that carries them, in whatever realm it was made', () => {
    expect(isLastcallError(new LastcallError('guard', 'no'))).toBe(true);
    expect(isLastcallError(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe(false);
  });
});
