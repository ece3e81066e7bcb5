import { expect, test } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PHASES } from '../../agent/lifecycle/model/phase.ts';
import { packageRoot } from '../support/sample.ts';
import { type Node, parseFile } from '../support/syntax.ts';

/** One table knows what each phase is. */

const AGENT = join(packageRoot(), 'agent');
const filesIn = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(directory, name));

test('no list of phases stands outside their table', () => {
  const lists = filesIn(AGENT).flatMap((path) => {
    const source = parseFile(path);
    const found = source.nodes.filter((node) => isArrayOfPhases(node) || isChainOfPhases(node));
    return found.map((node) => `${path}:${source.lines(node).first}`);
  });
  expect(lists).toEqual([]);
});

test('such lists are seen', () => {
  const source = parseFile(join(packageRoot(), 'test/lifecycle/shape.test.ts'));
  const seen = source.nodes.filter((node) => isArrayOfPhases(node) || isChainOfPhases(node));
  expect(seen).toHaveLength(2);
});

/** The two that the test above has to see. */
export const SEEN = ['drained', 'stopped'];
export const isSeen = (phase: string): boolean => phase === 'drained' || phase === 'stopped';

function isArrayOfPhases({ type, elements }: Node): boolean {
  if (type !== 'ArrayExpression') return false;
  const all = elements as ({ readonly expression: Node } | null)[];
  return all.filter((one) => one !== null && isPhase(one.expression)).length > 1;
}

/** `phase === 'drained' || phase === 'stopped'`, and its negation. */
function isChainOfPhases({ type, operator, left, right }: Node): boolean {
  if (type !== 'BinaryExpression' || (operator !== '||' && operator !== '&&')) return false;
  const wanted = operator === '||' ? '===' : '!==';
  return [left, right].every((side) => isComparison(side as Node, wanted));
}

function isComparison({ type, operator, right }: Node, wanted: string): boolean {
  return type === 'BinaryExpression' && operator === wanted && isPhase(right as Node);
}

function isPhase({ type, value }: Node): boolean {
  return type === 'StringLiteral' && typeof value === 'string' && Object.hasOwn(PHASES, value);
}
