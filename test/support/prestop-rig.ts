import { afterEach } from '@jest/globals';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '../../agent/lifecycle/model/api.ts';
import { askHttp } from './ask-http.ts';
import type { Running } from './cli.ts';
import { freePort } from './ports.ts';
import { openRig, type Rig, type RigOptions, type Agent } from './rig.ts';
import { until } from './until.ts';

/** A rig whose sidecar has a port for preStop hooks. */

const TOKEN = '0123456789abcdef0123456789abcdef';
export let rig: Rig;
export let running: Running | undefined;

afterEach(async () => {
  const child = running?.child;
  running = undefined;
  if (child && child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  await rig.close();
});
export let port: number;

export async function hooksPort(): Promise<object> {
  port = await freePort();
  const tokenFile = join(rig.dir, 'token');
  await writeFile(tokenFile, TOKEN, { mode: 0o600 });
  return { address: `127.0.0.1:${port}`, tokenFile };
}

export async function open(options: RigOptions = {}, sections: object = {}): Promise<Agent> {
  rig = await openRig({ termMs: 50, ...options });
  const listen = { control: join(rig.dir, 'app1.sock'), hooks: await hooksPort() };
  const audit = join(rig.dir, 'audit.log');
  const agent = await rig.sidecar({
    sections: { listen, audit, drain: { timeout: '30s', quiet: '0s' }, ...sections },
  });
  await agent.reaches('serving');
  return agent;
}

export const headers = { authorization: `Bearer ${TOKEN}` };

export async function prestop(): Promise<{ status: number; result: Result }> {
  const { status, body } = await askHttp(port, { path: '/hooks/prestop', headers });
  return { status, result: JSON.parse(body) as Result };
}

export const waits = (agent: { log(): string }, count: number): Promise<true> =>
  until(`${count} hooks wait`, () => agent.log().split('a preStop hook waits').length - 1 === count);

export function setRig(to: Rig): void {
  rig = to;
}

export function setRunning(to: Running | undefined): void {
  running = to;
}
