import { stripVTControlCharacters, styleText } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import type { Paint } from '../../../agent/cli/view/format.ts';
import { statusText } from '../../../agent/cli/view/status.ts';
import type { StatusServer } from '../../../agent/lifecycle/model/api.ts';
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

describe('The state of a server has a text and a colour of its own:', () => {
  const [ready, drain, maint] = (['ready', 'drain', 'maint'] as const).map((admin) => ({ admin }));
  const held = { admin: 'drain', owner: 'operator' } as const;
  const marked = (style: string, text: string): string => `<${style}>${text}</>`;

  /** The line of the server app/app1 that stands so. */
  function serverLine(change: Partial<StatusServer>, paint: Paint): string {
    const status = createScriptedService().status();
    const balancers = status.balancers.map((one) => ({
      ...one,
      servers: one.servers.map((server) => ({ ...server, ...change })),
    }));
    const text = statusText({ ...status, balancers }, null, NOW, paint);
    return text.split('\n').find((line) => line.includes('app/app1')) ?? '';
  }

  test.each([
    [ready, 'green', 'READY'],
    [drain, 'yellow', 'DRAIN'],
    [maint, 'blue', 'MAINT'],
    [{ admin: null }, 'magenta', 'unknown'],
    [{ operational: 'down' }, 'red', 'DOWN'],
    [{ connections: null }, 'magenta', 'unknown'],
    [held, 'cyan', 'held by operator'],
    [{ admin: 'maint', owner: 'config' }, 'cyan', 'held by config'],
  ] as const)('%j', (change, style, word) => {
    expect(serverLine(change ?? {}, marked)).toContain(`<${style}>${word}</>`);
    expect(serverLine(change ?? {}, (_style, text) => text)).toMatch(new RegExp(`\\b${word}\\b`));
  });

  test('a DOWN behind our own MAINT, where HAProxy checks nothing, is no alarm', () => {
    expect(serverLine({ admin: 'maint', operational: 'down' }, marked)).toContain('<dim>DOWN</>');
  });

  test('the columns stay in place in colour', () => {
    const colour: Paint = (style, text) => styleText(style, text);
    const bare = serverLine(held, (_style, text) => text);
    expect(stripVTControlCharacters(serverLine(held, colour))).toBe(bare);
  });
});

test('a hold is shown with who asked for it, why, and what ends it', () => {
  const hold = { admin: 'drain', by: 'cli alice@host', reason: 'disk' } as const;
  const text = statusText({ ...createScriptedService().status(), hold }, null, NOW, (_as, it) => it);
  expect(text).toContain('held in DRAIN by cli alice@host (disk); `lastcall release` ends it');
});

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
