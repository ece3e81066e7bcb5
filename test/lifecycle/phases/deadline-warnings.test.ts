import { describe, expect, test } from '@jest/globals';
import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import { NO_SIGNS } from '../../../agent/engine/life-signs.ts';
import { scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;

function hooks(effects: readonly Effect[]): Extract<Effect, { type: 'send-warning' }>[] {
  return effects.filter((effect) => effect.type === 'send-warning');
}

describe('The deadline ladder', () => {
  test('warns at the times set before the deadline, once each, with what is left', () => {
    const it = scene({ warnBeforeMs: [10 * MINUTE, MINUTE] });
    it.site.visit();
    it.ask('drain');
    it.time.advance(19 * MINUTE);
    expect(hooks(it.effects)).toEqual([]);
    it.time.advance(2 * MINUTE);
    expect(hooks(it.effects)).toMatchObject([
      { warningIndex: 0, about: { sessions: 1, onTimeout: 'restore' } },
    ]);
    it.time.advance(8.5 * MINUTE);
    expect(hooks(it.effects)).toMatchObject([
      { warningIndex: 0 },
      { warningIndex: 1, about: { sessions: 1 } },
    ]);
  });

  test('warns of nothing when the users are gone in time', () => {
    const it = scene({ warnBeforeMs: [MINUTE] });
    it.ended(it.ask('drain'));
    it.time.advance(60 * MINUTE);
    expect(hooks(it.effects)).toEqual([]);
  });
});

describe('The gate', () => {
  test('is shut before the last look and open again before READY is set', () => {
    const it = scene({ hasGate: true });
    const before = it.effects.length;
    expect(it.ended(it.ask('restart'))).toMatchObject({ code: 'done' });
    const order = it.effects.slice(before).flatMap((effect) => {
      if (effect.type === 'set-gate') return [`gate ${effect.to}`];
      if (effect.type === 'set-server' && effect.admin === 'ready') return ['ready'];
      return effect.type === 'stop' ? ['stop'] : [];
    });
    // The world's gate fails now and then, and is tried again.
    expect(order.filter((word, index) => word !== order[index - 1])).toEqual([
      'gate on',
      'stop',
      'gate off',
      'ready',
    ]);
  });

  test('of a process is not that of the next one: it is shut again where something else has started one', () => {
    const it = scene({ hasGate: true });
    it.ask('drain');
    it.reach('drained');
    expect(it.sidecar.state.gate.is).toBe('on');
    const before = it.effects.length;
    it.site.app.gated = false;
    it.sidecar.post({ type: 'app-gone', signs: NO_SIGNS });
    it.sidecar.post({ type: 'app-back', proof: { pid: 77, startTime: '7700' } });
    expect(it.sidecar.state.gate.is).toBe('unknown');
    it.until('the gate is shut', () => it.sidecar.state.gate.is === 'on');
    expect(it.effects.slice(before).filter(({ type }) => type === 'set-gate')).not.toEqual([]);
  });

  test('an answer that is about the process before changes nothing', () => {
    const it = scene({ hasGate: true });
    it.ask('drain');
    it.until('the gate is asked', () => it.sidecar.state.gate.asked === 'on');
    it.sidecar.post({ type: 'app-gone', signs: NO_SIGNS });
    it.sidecar.post({ type: 'app-back', proof: { pid: 77, startTime: '7700' } });
    it.sidecar.post({ type: 'gate-set', to: 'on', error: null });
    expect(it.sidecar.state.gate.is).toBe('unknown');
  });

  test('an application that is gone needs none: its stop does not wait for a command that cannot work', () => {
    const it = scene({ hasGate: true });
    it.site.die();
    it.sidecar.probed('down');
    it.sidecar.post({ type: 'app-gone', signs: NO_SIGNS });
    const before = it.effects.length;
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.effects.slice(before).filter(({ type }) => type === 'set-gate')).toEqual([]);
  });

  test('without it the result of a stop tells of the window that remains', () => {
    expect(stopped().warnings.join()).toMatch(/reload of HAProxy in the milliseconds/);
    expect(stopped({ reloadsKeepState: true }).warnings).toEqual([]);
  });
});

function stopped(changes: Parameters<typeof scene>[0] = {}): { readonly warnings: readonly string[] } {
  const it = scene(changes);
  return it.ended(it.ask('stop'));
}
