import { describe, expect, test } from '@jest/globals';
import { configOf, MINIMAL, refuses } from './support.ts';

describe('the gate, the warnings and what a balancer may be', () => {
  test('are read', async () => {
    const config = await configOf(
      [
        MINIMAL.trimEnd(),
        'unreachable: ignore',
        'foreignDrain: follow',
        'reloadGrace: 5m',
        'drain:',
        '  pace: 5',
        '  gate: { on: [gate, up], off: [gate, down] }',
        '  warn:',
        '    - { before: 5m, command: [tell] }',
        '    - { before: 1m, webhook: "https://chat/x", timeout: 2s }',
      ].join('\n'),
    );
    expect(config).toMatchObject({
      unreachable: 'ignore',
      foreignDrain: 'follow',
      reloadGraceMs: 300_000,
      drain: {
        closePerSecond: 5,
        gate: { on: { command: ['gate', 'up'], timeoutMs: 10_000 }, off: { command: ['gate', 'down'] } },
        warn: [
          { kind: 'command', beforeMs: 300_000, command: ['tell'] },
          { kind: 'webhook', beforeMs: 60_000, url: 'https://chat/x', timeoutMs: 2_000 },
        ],
      },
    });
  });

  refuses([
    ['unreachable: skip', '4:14: unreachable: expected wait or ignore'],
    ['foreignDrain: ignore', '4:15: foreignDrain: expected refuse or follow'],
    ['drain: { gate: { on: [a] } }', '4:16: drain.gate.off: is required'],
    ['drain: { pace: 0 }', '4:16: drain.pace: must be 1 or more'],
    ['drain: { warn: [{ before: 5m }] }', '4:17: drain.warn[0]: needs command or webhook'],
  ]);
});
