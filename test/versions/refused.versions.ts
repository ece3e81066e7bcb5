import { afterEach, expect, test } from '@jest/globals';
import { openRig, type Rig, told } from '../support/rig.ts';

// For a HAProxy older than 2.4, first on PATH.

let rig: Rig;
afterEach(() => rig.close());

const WHY =
  /HAProxy 2\.[0-3]\.\S+ is too old: before 2\.4 a worker that is stopping shows no statistics.*upgrade HAProxy to 2\.4 or newer/;

test.each(['drain', 'stop', 'ready'])(
  '%s is refused with the reason, and nothing is changed',
  async (verb) => {
    rig = await openRig({ termMs: 50 });
    const before = await rig.states();
    const words = verb === 'stop' ? ['--stop-pid', rig.node.pidFile] : [];
    const { code, json, stderr } = await told(rig.direct(verb, ...words));
    expect({ code, word: json.code }).toEqual({ code: 78, word: 'not-permitted' });
    expect(stderr).toMatch(WHY);
    expect(await rig.states()).toBe(before);
    expect(await rig.terms()).toBe(0);
  },
);

test('the sidecar refuses each operation with the reason, and changes nothing', async () => {
  rig = await openRig({ termMs: 50 });
  const before = await rig.states();
  const agent = await rig.sidecar();
  const { code, json, stderr } = await told(agent.cli('restart'));
  expect({ code, word: json.code }).toEqual({ code: 78, word: 'not-permitted' });
  expect(stderr).toMatch(WHY);
  expect(await rig.states()).toBe(before);
  expect(await rig.terms()).toBe(0);
});
