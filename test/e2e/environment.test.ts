import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastcall, type Running } from '../support/cli.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

/** What the sidecar's environment holds is the application's and the configuration's, not that of each command. */

let dir: TempDir;
let running: Running | undefined;
let app: number | undefined;
beforeEach(async () => {
  dir = await makeTempDir();
});
afterEach(async () => {
  const child = running?.child;
  if (child && child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  if (app !== undefined) process.kill(app, 'SIGKILL');
  await dir.remove();
});

const at = (name: string): string => join(dir.path, name);
/** Writes its environment down, whole or not at all. */
const tells = (name: string): string => `env > ${at(name)}.part; mv ${at(name)}.part ${at(name)}`;
const told = (name: string): Promise<string> =>
  until(`${name} is written`, async () => existsSync(at(name)) && (await readFile(at(name), 'utf8')));

test('a secret is seen by `run -- COMMAND` and in ${}, and by no command of the file', async () => {
  const config = {
    node: 'app1',
    app: { probe: { command: ['sh', '-c', tells('probe')] } },
    balancers: [{ haproxy: at('nobody.sock'), servers: ['app/app1'] }],
    sessions: [{ command: ['env', 'SAID=${CANARY}', 'sh', '-c', `${tells('source')}; echo 0`] }],
    listen: { control: at('app1.sock') },
    state: at('app1.json'),
  };
  await writeFile(at('app1.yaml'), JSON.stringify(config));
  const command = ['sh', '-c', `${tells('app')}; echo $$ > ${at('pid')}; exec sleep 50`];
  const env = { CANARY: 's3cr3t', LASTCALL_TOKEN: 'for-commands', LC_ALL: 'C' };
  running = lastcall(['run', '-c', at('app1.yaml'), '--', ...command], env);
  const [ofApp, ofProbe, ofSource] = await Promise.all([told('app'), told('probe'), told('source')]);
  app = Number(
    await until('its pid', async () => existsSync(at('pid')) && (await readFile(at('pid'), 'utf8'))),
  );
  expect(ofApp).toContain('CANARY=s3cr3t\n');
  for (const one of [ofProbe, ofSource]) {
    expect(one).not.toContain('CANARY=');
    expect(one).toContain('LASTCALL_TOKEN=for-commands\n');
    expect(one).toContain('LC_ALL=C\n');
    expect(one).toMatch(/^PATH=/m);
  }
  expect(ofSource).toContain('SAID=s3cr3t\n');
});
