import { afterEach, expect, test } from '@jest/globals';
import { openRig, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

/**
 * A `ready` without a probe has HAProxy's word alone, and out of MAINT that is UP before any check. With `fall 1` nothing
 * shows when the first one has succeeded (haproxy/BEHAVIOUR.md).
 */

let rig: Rig;
afterEach(() => rig.close());

const ready = async (timeout: string) => told(rig.direct('ready', '--timeout', timeout));

test.each(['fall 1', 'fall 3'])('An application that is not there is not back, with %s', async (fall) => {
  rig = await openRig({ server: `check inter 2s ${fall}` });
  await rig.haproxy.command('set server app/app1 state maint');
  await rig.node.kill();
  const { code, json } = await ready('9s');
  expect({ code, resultCode: json.code }).toEqual({ code: 70, resultCode: 'app-health' });
  expect(json.message).toMatch(/app\/app1 is DOWN \(L4CON, /);
});

test('One that is there is back, at the end of the time at the latest, with a warning of what was not seen', async () => {
  rig = await openRig({ server: 'check inter 200ms fall 1' });
  await rig.haproxy.command('set server app/app1 state maint');
  const { code, json } = await ready('2s');
  expect({ code, resultCode: json.code }).toEqual({ code: 0, resultCode: 'done' });
  expect(json.warnings.join('\n')).toContain(
    'app/app1 is UP, which HAProxy reports before its first check, too',
  );
  await until('UP', async () => (await rig.admin()) === 'UP');
});
