import { expect, test } from '@jest/globals';
import { agentLine } from '../../agent/haproxy/agent-line.ts';

test.each([
  [null, true, 'up\n'],
  [null, false, '\n'],
  ['drain', true, 'up drain\n'],
  ['drain', false, 'drain\n'],
  ['maint', true, 'up maint\n'],
  ['maint', false, 'maint\n'],
  ['ready', true, 'up ready\n'],
  ['ready', false, 'ready\n'],
] as const)('The agent-check line for the state %s with a probe that is good: %s', (word, healthy, line) => {
  expect(agentLine({ word, healthy })).toBe(line);
});
