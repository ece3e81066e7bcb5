import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Haproxy, startHaproxy } from '../support/haproxy.ts';
import { examined } from '../support/doctor.ts';

/** A reload that does not write the server-state file that the configuration promises. */

let haproxy: Haproxy;
let stateFile: string;
beforeAll(async () => {
  const text = `defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
backend app
  server app1 127.0.0.1:1
`;
  haproxy = await startHaproxy(text, { master: true });
  stateFile = join(haproxy.dir, 'server-state');
}, 30_000);
afterAll(() => haproxy?.stop());

async function look(): Promise<string | undefined> {
  const balancers = [{ haproxy: haproxy.socket, servers: ['app/app1'], stateFile }];
  const { found } = await examined(haproxy.dir, { balancers });
  return found['no-state-file']?.join();
}

test('shows that HAProxy was reloaded without it, and nothing while no reload is seen or each has written it', async () => {
  expect(await look()).toBeUndefined();
  await haproxy.reload();
  expect(await look()).toMatch(/HAProxy was reloaded at \S+Z, and there is no \/\S+server-state$/);
  await writeFile(stateFile, '1\n');
  await haproxy.reload();
  expect(await look()).toBeUndefined();
  const old = new Date(Date.now() - 3_600_000);
  await utimes(stateFile, old, old);
  expect(await look()).toContain(`was written at ${old.toISOString()}`);
});
