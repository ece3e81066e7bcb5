import { describe, expect, test } from '@jest/globals';
import { configOf, MINIMAL, problemsOf, refuses } from './support.ts';

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

describe('the hooks of the phases', () => {
  test('are read', async () => {
    const config = await configOf(
      [
        MINIMAL.trimEnd(),
        'hooks:',
        '  - { on: [drained, serving, failed], command: [tell, 1] }',
        '  - { on: [unhealthy], webhook: "https://chat/x", timeout: 2s }',
      ].join('\n'),
    );
    expect(config.hooks).toEqual([
      { kind: 'command', command: ['tell', '1'], timeoutMs: 10_000, on: ['drained', 'serving', 'failed'] },
      { kind: 'webhook', url: 'https://chat/x', timeoutMs: 2_000, on: ['unhealthy'] },
    ]);
    expect((await configOf(MINIMAL)).hooks).toEqual([]);
  });

  test('have no URL in a message: it may be a secret', async () => {
    const text = `${MINIMAL}hooks: [{ on: [down], webhook: "\${HOOK}" }]\n`;
    expect((await problemsOf(text, { env: { HOOK: 'CANARY' } })).join('\n')).not.toContain('CANARY');
  });

  refuses([
    ['hooks: [{ on: [drained] }]', '4:9: hooks[0]: needs command or webhook'],
    [
      'hooks: [{ on: [drained], command: [a], webhook: "http://a/" }]',
      '4:9: hooks[0]: takes only one of command or webhook',
    ],
    ['hooks: [{ on: [], command: [a] }]', '4:15: hooks[0].on: must not be empty'],
    ['hooks: [{ command: [a] }]', '4:9: hooks[0].on: is required'],
    ['hooks: [{ on: drained, command: [a] }]', '4:15: hooks[0].on: expected a list, got a text'],
    [
      'hooks: [{ on: [done], command: [a] }]',
      '4:16: hooks[0].on[0]: expected starting, recovering, serving, unhealthy, draining, settling, fencing, drained, stopping, stopped, warming, returning or failed',
    ],
    [
      'hooks: [{ on: [failed], webhook: "mailto:a" }]',
      '4:34: hooks[0].webhook: must begin with http:// or https://',
    ],
    [
      'hooks: [{ on: [failed], command: [a], tmout: 1s }]',
      '4:39: hooks[0].tmout: unknown key, known here: command, on, timeout',
    ],
  ]);
});
