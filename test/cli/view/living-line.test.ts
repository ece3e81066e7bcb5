import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { livingLine } from '../../../agent/cli/view/living-line.ts';
import { createProgress } from '../../../agent/cli/view/progress.ts';
import type { Status } from '../../../agent/lifecycle/model/api.ts';
import { createScriptedService } from '../../support/scripted-service.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const plain = (_style: string, text: string): string => text;

/** A stop of app1 under way, as the sidecar shows it: 8 sessions, gone in about 42 s, a minute to the deadline. */
async function draining(change: Partial<Status> = {}): Promise<Status> {
  const service = createScriptedService();
  await service.submit({
    id: 'an-id',
    kind: 'stop',
    reason: null,
    by: 'cli alice@host',
    timeoutMs: null,
    onTimeout: null,
    expiresMs: null,
    force: false,
    fence: true,
    dryRun: false,
    isShutdown: false,
  });
  service.show('draining', 8);
  return { ...service.status(), ...change };
}

const MOMENT = { age: 0, counts: [8, 8, 4, 2, 1], note: '', width: 200 };

describe('The living line', () => {
  test('has the sessions, when the last is gone, the deadline and what happens then', async () => {
    const line = livingLine(await draining(), { ...MOMENT, age: 2 }, plain);
    expect(line).toBe('app1 draining  8 sessions  gone in about 40s  58s left, then restore  ██▅▃▂');
  });

  test.each(['restore', 'force', 'hold'] as const)('says that the deadline means %s', async (onTimeout) => {
    const status = await draining();
    const operation = status.operation && { ...status.operation, onTimeout };
    expect(livingLine({ ...status, operation }, MOMENT, plain)).toContain(`1m left, then ${onTimeout}`);
  });

  test('says nothing of it on the way back, where no user is waited for', async () => {
    const line = livingLine(await draining({ phase: 'returning' }), MOMENT, plain);
    expect(line).toContain('1m left');
    expect(line).not.toContain('then restore');
  });

  test('shows the longest time where there is no estimate, and else why there is none', async () => {
    const most = await draining({ eta: { seconds: null, atMost: 1_800 }, etaReason: 'no sign of falling' });
    expect(livingLine(most, MOMENT, plain)).toContain('  gone in at most 30m  ');
    const none = await draining({ eta: null, etaReason: 'no sign of falling' });
    expect(livingLine(none, MOMENT, plain)).toContain('  no sign of falling  ');
  });

  test('names what is unknown, within the 80 columns of a terminal', async () => {
    const status = await draining({ eta: null, waits: ['http: no answer within 5000 ms', 'lb2: refused'] });
    const unknown = { ...status, sessions: { ...status.sessions, total: null } };
    const line = livingLine(unknown, { ...MOMENT, width: 79 }, plain);
    expect(line).toHaveLength(79);
    expect(line).toMatch(/^app1 draining {2}sessions unknown {2}1m left, then restore {2}waits: http: /);
  });

  test('is never wider than the terminal, in colour neither', async () => {
    const status = await draining({ waits: ['lb2: refused'] });
    const paint = (_style: string, text: string): string => `\u001b[1m${text}\u001b[22m`;
    for (let width = 20; width < 120; width++) {
      const line = livingLine(status, { ...MOMENT, width }, paint);
      expect(stripVTControlCharacters(line).length).toBeLessThanOrEqual(width);
    }
  });
});

describe('What a terminal gets while a command waits', () => {
  const shown = async (env: Record<string, string>): Promise<string> => {
    let text = '';
    const stdout = { write: (piece: string) => (text += piece), isTTY: true, columns: 200 };
    const context = {
      ports: { stdout, env, clock: new ManualClock() },
      globals: {},
    } as unknown as Parameters<typeof createProgress>[0];
    const progress = createProgress(context, 'stop');
    progress.accepted('an-id', false);
    progress.status(await draining());
    progress.end();
    return text;
  };

  test('is in colour, and with NO_COLOR the same text is not', async () => {
    const coloured = await shown({});
    const colourless = await shown({ NO_COLOR: '1' });
    expect(coloured).toContain('\u001b[1m');
    expect(colourless.replaceAll('\u001b[2K', '')).not.toContain('\u001b');
    expect(stripVTControlCharacters(coloured)).toBe(stripVTControlCharacters(colourless));
  });

  test('has no id, which no command takes', async () => {
    expect(await shown({})).not.toContain('an-id');
  });
});
