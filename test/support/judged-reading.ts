import { afterAll, beforeAll } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig } from '../../agent/config/load.ts';
import type { Examination } from '../../agent/doctor/examination.ts';
import { TRAPS } from '../../agent/doctor/table.ts';
import type { Sighting } from '../../agent/doctor/trap.ts';
import { readExamination } from '../../agent/examine.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startHaproxy, type Haproxy } from './haproxy.ts';
import { memoryLog } from './memory-log.ts';

/** A real reading of a HAProxy with two servers, for traps that are judged by a few values of it. */

export let haproxy: Haproxy;
export let real: Examination;
beforeAll(async () => {
  haproxy = await startHaproxy(`defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
backend app
  server app1 127.0.0.1:1
  server app2 127.0.0.1:2
`);
  const file = join(haproxy.dir, 'conditions.yaml');
  const app = { stop: { systemd: 'app.service', timeout: '20s' } };
  const balancers = [{ haproxy: haproxy.socket, servers: ['app/app1'] }];
  const listen = { agentCheck: { address: '127.0.0.1:7001' }, control: join(haproxy.dir, 'none.sock') };
  const config = { node: 'app1', state: join(haproxy.dir, 'app1.json'), app, balancers, listen };
  await writeFile(file, JSON.stringify(config));
  const loaded = await readConfig(file, { env: {}, hostname: 'here', isTerminal: false, supervised: false });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const world = { clock: realClock, log: memoryLog(), searchPath: process.env['PATH'], env: {} };
  real = await readExamination({ config: loaded.config, isDirect: false, haproxyFile: null, env: {} }, world);
}, 30_000);
afterAll(() => haproxy?.stop());

export const CLEAR: Sighting = { found: [], unseen: [] };
export const failed = (why: string, code = 'failed') => ({ ok: false, why, code }) as const;

/** What the trap of this id sees in the reading, with these values in it. */
export function sighting(id: string, changes: Partial<Examination> = {}): Sighting {
  const trap = TRAPS.find((one) => one.id === id);
  if (trap === undefined) throw new Error(`no trap ${id}`);
  return trap.look({ ...real, ...changes });
}

export const configured = (changes: Partial<Examination['config']>): Pick<Examination, 'config'> => ({
  config: { ...real.config, ...changes },
});
