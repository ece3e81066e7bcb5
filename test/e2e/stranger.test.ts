import { afterEach, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { startStranger, type Stranger } from '../support/stranger.ts';
import { type Agent, openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

// Another process than the application answers at the URL of the probe, with the status of a healthy one.

let rig: Rig;
let stranger: Stranger | null = null;
afterEach(async () => {
  await stranger?.end();
  stranger = null;
  await rig.close();
});

async function stopped(): Promise<Agent> {
  rig = await openRig({ termMs: 20 });
  const sections = { return: { timeout: '6s' }, log: { level: 'debug' } };
  const agent = await rig.sidecar({ start: false, probeEvery: '100ms', sections });
  await until('the application is known', () => agent.log().includes('who answers the probe'));
  expect(await told(agent.cli('stop'))).toMatchObject({ code: 0 });
  return agent;
}

test('is not taken for the application, and is named', async () => {
  const agent = await stopped();
  stranger = await startStranger(rig.node.port);
  const { code, json } = await told(agent.cli('ready'));
  expect({ code, told: json.code }).toEqual({ code: 70, told: 'app-health' });
  expect(await rig.admin()).toBe('MAINT');
  const { healthReason } = await agent.client.status(patience());
  const named = `port ${rig.node.port} is held by process ${stranger.pid} (perl), which is not the application`;
  expect(healthReason).toContain(named);
  expect(json.message).toContain(named);
  await stranger.end();
  await rig.node.start();
  expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { code: 'done' } });
});

test('an application that was started by hand, and has not renewed its pid file, is the application', async () => {
  const agent = await stopped();
  const before = await readFile(rig.node.pidFile, 'utf8');
  await rig.node.start();
  const now = await readFile(rig.node.pidFile, 'utf8');
  await writeFile(rig.node.pidFile, before);
  expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { code: 'done' } });
  await writeFile(rig.node.pidFile, now);
});
