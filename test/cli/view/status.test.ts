import { expect, test } from '@jest/globals';
import { statusText } from '../../../agent/cli/view/status.ts';
import { createScriptedService } from '../../support/scripted-service.ts';

const NOW = new Date('2026-01-01T00:00:05Z');

/** The line of the source `http`, asked so often. */
function sourceLine(every: number): string | undefined {
  const status = createScriptedService().status();
  const sources = status.sessions.sources.map((source) => ({ ...source, every }));
  const text = statusText(
    { ...status, sessions: { ...status.sessions, sources } },
    null,
    NOW,
    (_as, it) => it,
  );
  return text.split('\n').find((line) => line.startsWith('http '));
}

test('a source that is asked seldom is shown with how often, since its number may be old', () => {
  expect(sourceLine(70)).toContain('5s ago, every 1m 10s');
  expect(sourceLine(10)).not.toContain('every');
});

test.each([
  ['up', null, 'health up'],
  ['down', 'status 503', 'health down: status 503'],
  ['unknown', 'no answer within 1000 ms', 'health unknown: no answer within 1000 ms'],
  ['up', 'status 503', 'health up, but its latest probe: status 503'],
] as const)('health %s with the reason %s is shown as "%s"', (health, healthReason, shown) => {
  const status = { ...createScriptedService().status(), health, healthReason };
  expect(statusText(status, null, NOW, (_as, it) => it).split('\n')[0]).toMatch(new RegExp(`  ${shown}$`));
});

test.each([
  ['2026-01-01T00:00:00Z', false],
  ['2025-12-31T23:59:38Z', true],
])('open connections as of %s are shown with their age: %s', (at, isOld) => {
  const report = { at, servers: [], oldest: [] };
  const text = statusText(createScriptedService().status(), report, NOW, (_as, it) => it);
  expect(text.includes('open connections as they were 27s ago:')).toBe(isOld);
});
