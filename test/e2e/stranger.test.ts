import { afterEach, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import type { Status } from '../../agent/lifecycle/model/api.ts';
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
  const probe = { http: { url: `${rig.node.url}/health` }, every: '100ms', rise: 1, fall: 1 };
  const app = { probe, stop: { signal: { pidFile: rig.node.pidFile } } };
  const agent = await rig.sidecar({ sections: { app, return: { timeout: '60s' }, log: { level: 'debug' } } });
  await until('the application is known', () => agent.log().includes('who answers the probe'));
  expect(await told(agent.cli('stop'))).toMatchObject({ code: 0 });
  return agent;
}

test('is not taken for the application, and is named', async () => {
  const agent = await stopped();
  stranger = await startStranger(rig.node.port);
  const { json } = await told(agent.cli('ready', '--no-wait'));
  const named = `port ${rig.node.port} is held by process ${stranger.pid} (perl), which is not the application`;
  await until('it is named', async () => reasonOf(await agent.client.status(patience())).includes(named));
  expect(await rig.admin()).toBe('MAINT');
  await stranger.end();
  await rig.node.start();
  expect(await agent.ends(json.id)).toMatchObject({ code: 'done', phase: 'serving' });
});

function reasonOf({ healthReason }: Status): string {
  return healthReason ?? '';
}

test('an application that was started by hand, and has not renewed its pid file, is the application', async () => {
  const agent = await stopped();
  const before = await readFile(rig.node.pidFile, 'utf8');
  await rig.node.start();
  const now = await readFile(rig.node.pidFile, 'utf8');
  await writeFile(rig.node.pidFile, before);
  expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { code: 'done' } });
  await writeFile(rig.node.pidFile, now);
});
