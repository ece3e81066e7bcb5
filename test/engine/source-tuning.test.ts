import { describe, expect, test } from '@jest/globals';
import { createTunedSources } from '../../agent/engine/source-tuning.ts';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import type { State } from '../../agent/lifecycle/model/state.ts';
import type { Source, SourceTuning } from '../../agent/sessions/source.ts';
import { memoryLog } from '../support/memory-log.ts';

/** A source whose application has one setting, 6 as it is found and 1 while the node is out. */
function lowered(fails = false): { source: Source; setting: () => string; ended: () => Promise<void> } {
  let setting = '6';
  let last = Promise.resolve();
  const tuning: SourceTuning = {
    apply: () =>
      (last = last.then(() => {
        if (fails) throw new Error('401');
        setting = '1';
      })).then(() => '6'),
    restore: (found: string) =>
      (last = last.then(() => {
        setting = found;
      })),
  };
  const source = { name: 'tomcat', count: async () => 0, tuning };
  return { source, setting: () => setting, ended: () => last.catch(() => undefined) };
}

function at(phase: Phase, gone = false): State {
  return { phase, app: { gone } } as State;
}

const never = new AbortController().signal;

describe('A setting while the node is out', () => {
  test('is lowered when the node goes out, and put back when it returns', async () => {
    const { source, setting, ended } = lowered();
    const tuned = createTunedSources([source], memoryLog(), never);
    tuned.follow(at('serving'));
    tuned.follow(at('draining'));
    await ended();
    expect(setting()).toBe('1');
    await Promise.resolve();
    expect(tuned.found()).toEqual({ tomcat: '6' });
    tuned.follow(at('fencing'));
    tuned.follow(at('returning'));
    await ended();
    expect(setting()).toBe('6');
    expect(tuned.found()).toEqual({});
  });

  test('is put back by a sidecar that only knows the record', async () => {
    const { source, setting, ended } = lowered();
    const tuned = createTunedSources([source], memoryLog(), never);
    tuned.resume({ tomcat: '5' });
    tuned.follow(at('draining'));
    tuned.follow(at('serving'));
    await ended();
    expect(setting()).toBe('5');
  });

  test('that fails is logged once and holds nothing up', async () => {
    const { source, ended } = lowered(true);
    const log = memoryLog();
    const tuned = createTunedSources([source], log, never);
    tuned.follow(at('draining'));
    await ended();
    await new Promise(setImmediate);
    tuned.follow(at('draining'));
    expect(log.records.filter(({ message }) => message === 'tomcat: 401')).toHaveLength(1);
  });
});
