import { describe, expect, test } from '@jest/globals';
import type { Report } from '../fixtures/users.ts';
import { isClean, renderReceipts } from './receipt.ts';
import type { Receipt } from './round.ts';
import { createScreen } from './screen.ts';
import { renderTable, type View } from './view.ts';

const report = (failed: number, lost: number): Report => ({
  requests: 1234,
  failed,
  lost,
  people: 60,
  reconnects: 0,
  longestPauseMs: 0,
  nodes: { app1: { requests: 1234, failed, lost, users: 21 } },
  failures: failed === 0 ? [] : ['app1: status 502'],
  harms: [],
});
const receipt = (name: string, failed: number, lost: number): Receipt => ({
  name,
  report: report(failed, lost),
  seconds: 12.34,
});
const view = (seconds: number): View => ({
  seconds,
  doing: 'app1: SIGTERM',
  report: report(3, 2),
  nodes: [
    { name: 'app1', status: 'DRAIN (agent)', sessions: 21 },
    { name: 'app2', status: 'UP', sessions: null },
  ],
});

function paper(): { write: (text: string) => void; written: () => string } {
  let written = '';
  return { write: (text) => (written += text), written: () => written };
}

describe('the receipts', () => {
  test('stand side by side, with the figures that matter', () => {
    const lines = renderReceipts(receipt('SIGTERM and start', 14, 61), receipt('lastcall restart', 0, 0));
    expect(lines.find((line) => line.includes('failed requests'))).toMatch(/14 failed +0 failed$/);
    expect(lines.find((line) => line.includes('lost sessions'))).toMatch(/61 lost +0 lost$/);
    expect(lines.at(-1)).toBe('lastcall restart: 0 failed, 0 lost');
  });

  test('name what failed under lastcall, and are not clean then', () => {
    expect(isClean(receipt('lastcall restart', 1, 0))).toBe(false);
    expect(isClean(receipt('lastcall restart', 0, 1))).toBe(false);
    expect(isClean(receipt('lastcall restart', 0, 0))).toBe(true);
    const lines = renderReceipts(receipt('SIGTERM and start', 1, 1), receipt('lastcall restart', 1, 0));
    expect(lines.at(-1)).toContain('app1: status 502');
  });
});

describe('the screen', () => {
  test('shows each node with its state, sessions and losses', () => {
    const lines = renderTable(view(2));
    expect(lines[1]).toMatch(/app1 +DRAIN \(agent\) +21 +1,234 +3 +2$/);
    expect(lines[2]).toMatch(/app2 +UP +down +0 +0 +0$/);
    expect(lines[3]).toMatch(/all +21 +1,234 +3 +2$/);
  });

  test('draws over its last table on a terminal, and leaves it standing at the end of a round', () => {
    const { write, written } = paper();
    const screen = createScreen({ write, isTTY: true });
    screen.show(view(1));
    screen.show(view(1.2));
    expect(written().split('\u001b[5A\u001b[J')).toHaveLength(2);
    screen.rest();
    screen.say('done');
    expect(written().endsWith('SIGTERM\ndone\n')).toBe(true);
  });

  test('prints plain lines in a pipe, at most one a second, and every step', () => {
    const { write, written } = paper();
    const screen = createScreen({ write });
    for (const seconds of [0, 0.2, 0.4, 1.1]) screen.show(view(seconds));
    screen.step('app1: SIGTERM');
    expect(written()).not.toContain('\u001b');
    expect(written().trimEnd().split('\n')).toHaveLength(3);
  });
});
