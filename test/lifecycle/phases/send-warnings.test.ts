import { describe, expect, test } from '@jest/globals';
import { readRecord } from '../../../agent/lifecycle/recovery/read-record.ts';
import { recordOf } from '../../../agent/lifecycle/model/write-record.ts';
import { restore } from '../../../agent/lifecycle/recovery/restore.ts';
import { initial, type State } from '../../../agent/lifecycle/model/state.ts';
import { type Draft, warn } from '../../../agent/lifecycle/step-draft.ts';
import { MOST_WARNINGS, textsOf } from '../../../agent/lifecycle/model/warnings.ts';
import { POLICY, scene } from '../../support/world/scene.ts';

/** A node that drains, and what it is warned of. */
function draining(): Draft {
  const it = scene();
  it.site.visit();
  it.ask('drain');
  it.reach('draining');
  return { policy: POLICY, at: it.time.now, state: it.sidecar.state, effects: [] };
}

const told = ({ state }: Draft): string[] => textsOf(state.op?.warnings ?? []);
const logged = ({ effects }: Draft): number => effects.filter(({ type }) => type === 'log').length;

function afterCrash({ policy, state, at }: Draft): State {
  const record = JSON.parse(JSON.stringify(recordOf(state, at))) as unknown;
  const read = readRecord(record);
  expect(read.doubt).toBeNull();
  return restore(initial(policy, at), policy, read, true, at);
}

describe('The warnings of an operation', () => {
  test('are one for each subject: the newest text, which the log has once', () => {
    const draft = draining();
    for (let second = 0; second < 900; second += 1) warn(draft, 'disk', `the disk is slow for ${second} s`);
    expect(told(draft)).toEqual(['the disk is slow for 899 s']);
    expect(logged(draft)).toBe(1);
    warn(draft, 'disk', 'the disk is full');
    expect(told(draft)).toEqual(['the disk is full']);
    expect(logged(draft)).toBe(2);
  });

  test('are so many at most: the oldest are kept, and a line says how many more there were', () => {
    const draft = draining();
    for (let round = 0; round < 3; round += 1)
      for (let server = 1; server <= 70; server += 1)
        warn(draft, `server ${server}`, `server ${server} is odd`);
    const texts = told(draft);
    expect(texts).toHaveLength(MOST_WARNINGS + 1);
    expect(texts[0]).toBe('server 1 is odd');
    expect(texts.at(-1)).toBe('20 more warnings are in the log');
    expect(logged(draft)).toBe(70);
    for (let server = 1; server <= 10_000; server += 1)
      warn(draft, `server ${server}`, `server ${server} is odd`);
    expect(JSON.stringify(recordOf(draft.state, draft.at)).length).toBeLessThan(20_000);
  });

  test('outlive a crash with what they are about', () => {
    const draft = draining();
    for (let server = 1; server <= 60; server += 1)
      warn(draft, `server ${server}`, `server ${server} is odd`);
    const next = { ...draft, state: afterCrash(draft) };
    expect(told(next)).toEqual(told(draft));
    warn(next, 'server 1', 'server 1 is even');
    expect(told(next)[0]).toBe('server 1 is even');
    expect(told(next).at(-1)).toBe('10 more warnings are in the log');
  });
});

describe('The result', () => {
  test('names each source with its count, or why it does not know', () => {
    const it = scene({ sources: ['http', 'http 2'] });
    it.site.visit();
    const id = it.ask('drain', { timeoutMs: 5_000 });
    it.reach('draining');
    const { sessions } = it.ended(id);
    expect(sessions.sources).toEqual([
      { name: 'http', count: 1, error: null },
      { name: 'http 2', count: 1, error: null },
    ]);
  });
});
