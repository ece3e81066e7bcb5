import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { askHttp } from '../support/ask-http.ts';
import { freePort } from '../support/ports.ts';
import { fixture } from '../support/fixture-reports.ts';
import { type Agent, openRig, patience, type Rig, told } from '../support/rig.ts';
import { sidecarConfig } from '../support/sidecar.ts';
import { until } from '../support/until.ts';

let rig: Rig;
let server: Server | undefined;
afterEach(async () => {
  await rig.close();
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

/** A webhook that keeps what it is sent, and answers or never does. */
async function webhook(answers: boolean) {
  const heard: Record<string, unknown>[] = [];
  server = createServer((request, response) => {
    void text(request).then((body) => {
      heard.push(JSON.parse(body) as Record<string, unknown>);
      if (answers) response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/T0KEN` };
}

const ALL = [
  'draining',
  'settling',
  'fencing',
  'drained',
  'stopping',
  'stopped',
  'warming',
  'returning',
  'serving',
];

async function write(sections: Readonly<Record<string, unknown>>): Promise<void> {
  const file = join(rig.dir, 'app1.yaml');
  await writeFile(`${file}.new`, JSON.stringify(sidecarConfig(rig, rig.node, { quiet: '0s', sections })));
  await rename(`${file}.new`, file);
}

async function hangUp(agent: Agent): Promise<void> {
  const taken = (): number => agent.log().split('the new configuration has taken effect').length;
  const before = taken();
  process.kill(agent.pid, 'SIGHUP');
  await until('the new configuration is in effect', () => taken() > before);
}

describe('Hooks', () => {
  test('get each phase of a restart, in order, with the operation and its code', async () => {
    rig = await openRig();
    const { heard, url } = await webhook(true);
    const log = join(rig.dir, 'hooks.log');
    const hooks = [
      { on: ALL, webhook: url },
      { on: ['stopped'], command: fixture('hook', log, 'stopped') },
    ];
    const agent = await rig.sidecar({ sections: { hooks } });
    await agent.reaches('serving');
    await until('the start is told', () => heard.length === 1);
    expect(heard[0]).toMatchObject({ node: 'app1', phase: 'serving', operation: null, code: null });
    const { json } = await told(agent.cli('restart', '--reason', 'deploy 41'));
    expect(json).toMatchObject({ ok: true });
    await until('the end is told', () => heard.at(-1)?.['code'] === 'done');
    const phases = heard.slice(1).map(({ phase }) => phase as string);
    expect(phases).toEqual(ALL.filter((phase) => phases.includes(phase)));
    expect(phases).toEqual(expect.arrayContaining(['draining', 'drained', 'stopping', 'warming', 'serving']));
    for (const one of heard.slice(1))
      expect(one).toMatchObject({ id: json.id, operation: 'restart', reason: 'deploy 41', dropped: 0 });
    expect(heard.slice(1, -1).every(({ code }) => code === null)).toBe(true);
  });

  test('that hang delay nothing, are alarms, and end with the sidecar, within seconds', async () => {
    rig = await openRig();
    const { heard, url } = await webhook(false);
    const metrics = await freePort();
    const log = join(rig.dir, 'hooks.log');
    const hooks = [
      { on: ALL, webhook: url, timeout: '10m' },
      { on: ALL, command: fixture('hook', log, 'hang'), timeout: '10m' },
      { on: ['drained'], command: ['/no/such/program'] },
    ];
    const listen = { control: join(rig.dir, 'app1.sock'), metrics: `127.0.0.1:${metrics}` };
    const agent = await rig.sidecar({ sections: { hooks, listen } });
    await agent.reaches('serving');
    const { json } = await told(agent.cli('drain'));
    expect(json).toMatchObject({ ok: true, phase: 'drained', warnings: [] });
    expect(json.seconds).toBeLessThan(5);
    await until('the alarm', async () => (await agent.client.status(patience())).alarms.length === 1);
    const { alarms } = await agent.client.status(patience());
    expect(alarms[0]).toMatch(/^hooks\[2\] was not called for drained: .*\/no\/such\/program/);
    const page = async (): Promise<string> => (await askHttp(metrics, { path: '/metrics' })).body;
    await until('it is counted', async () =>
      (await page()).includes('lastcall_hook_runs_total{hook="hooks[2]",outcome="failed"} 1'),
    );
    expect(await page()).toContain('lastcall_alarms 1\n');
    expect(heard).toHaveLength(1);
    const began = Date.now();
    await agent.stop();
    expect(Date.now() - began).toBeLessThan(9_000);
    expect(agent.log()).toContain('lastcall is ending');
    expect(agent.log()).not.toContain('T0KEN');
    expect((await readFile(log, 'utf8')).trimEnd().split('\n')).toHaveLength(1);
    expect(await rig.admin()).toBe('MAINT');
  }, 60_000);

  test('are those of the file that SIGHUP reads, and a reading is no change of the phase', async () => {
    rig = await openRig();
    const { heard, url } = await webhook(true);
    const agent = await rig.sidecar({
      sections: { hooks: [{ on: ['serving', 'starting', 'recovering'], webhook: url }] },
    });
    await agent.reaches('serving');
    await until('the start is told', () => heard.at(-1)?.['phase'] === 'serving');
    expect(heard[0]).toMatchObject({ phase: 'starting', previous: null });
    const before = heard.length;
    await write({ hooks: [{ on: ['serving', 'drained', 'starting', 'recovering'], webhook: url }] });
    await hangUp(agent);
    await told(agent.cli('drain'));
    await until('the drain is told', () => heard.length > before);
    expect(heard[before]).toMatchObject({ phase: 'drained', operation: 'drain', code: 'done' });
    await write({ hooks: [{ on: ['drained'], webhook: url }] });
    await hangUp(agent);
    await told(agent.cli('ready'));
    await write({ hooks: [{ on: ['draining'], webhook: url }] });
    await hangUp(agent);
    await told(agent.cli('drain'));
    await until('the next drain is told', () => heard.length === before + 2);
    expect(heard.at(-1)).toMatchObject({ phase: 'draining', previous: 'serving' });
    await agent.stop();
  }, 60_000);

  test('get no more of the environment than other commands', async () => {
    rig = await openRig();
    const out = join(rig.dir, 'env');
    const hooks = [{ on: ['drained'], command: ['sh', '-c', `env > ${out}.new; mv ${out}.new ${out}`] }];
    const agent = await rig.sidecar({ sections: { hooks }, env: { APP_SECRET: 's3cret', LC_ALL: 'C' } });
    await agent.reaches('serving');
    await told(agent.cli('drain', '--reason', 'why'));
    const env = await until('the hook has run', () => readFile(out, 'utf8').catch(() => undefined));
    expect(env).toContain('LASTCALL_REASON=why\n');
    expect(env).toContain('LC_ALL=C\n');
    expect(env).not.toContain('s3cret');
  });
});
