import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Diagnosis } from '../../agent/doctor/diagnosis.ts';
import { lastcall } from '../support/cli.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { createLegacyNode } from '../support/legacy-node.ts';
import { freePort } from '../support/ports.ts';
import { patience } from '../support/rig.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import type { SiteNode } from '../support/site.ts';
import { until } from '../support/until.ts';

/** A setup as the pages describe it: `lastcall doctor` finds nothing in it, and changes nothing. */

let haproxy: Haproxy;
let node: SiteNode;
let sidecar: Sidecar;
beforeAll(async () => {
  const port = await freePort();
  haproxy = await startHaproxy(
    (dir) => `global
  server-state-file ${dir}/server-state
  hard-stop-after 1h
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
  timeout check 5s
  option redispatch
  load-server-state-from-file global
backend app
  balance roundrobin
  cookie SRV insert indirect nocache
  option httpchk
  http-check send meth GET uri /health
  http-check disable-on-404
  server app1 127.0.0.1:${port} cookie app1 weight 100 check inter 100ms
  server app2 127.0.0.1:1 cookie app2 weight 100
`,
    { master: true },
  );
  const { dir } = haproxy;
  node = { ...createLegacyNode({ name: 'app1', port, dir }), agentPort: await freePort() };
  await node.start();
  await node.untilServing(patience());
  await until('HAProxy has checked it', async () =>
    (await haproxy.command('show stat app 4 -1')).includes('L7OK'),
  );
  const balancers = [
    {
      haproxy: `unix:${haproxy.socket}`,
      master: `unix:${haproxy.masterSocket ?? ''}`,
      servers: ['app/app1'],
      stateFile: join(dir, 'server-state'),
    },
  ];
  sidecar = await startSidecar({ dir, haproxy }, node, patience(), { sections: { balancers } });
}, 60_000);
afterAll(async () => {
  await sidecar?.kill();
  await node?.kill();
  await haproxy?.stop();
});

const config = (): string[] => ['-c', join(haproxy.dir, 'app1.yaml')];
const file = (): string[] => ['--haproxy-config', join(haproxy.dir, 'haproxy.cfg')];
/** A bug of this version, which no setup mends. */
const OF_VERSION = ['cut-answer-crash', 'master-crash', 'master-rights'];
/** These processes are of no unit of systemd. */
const OF_UNITS = ['no-drop-in', 'unit-timeout', 'other-user'];

describe('lastcall doctor', () => {
  test('finds nothing in a setup as it should be, and changes nothing', async () => {
    const before = await haproxy.command('show servers state app');
    const { code, stdout, stderr } = await lastcall(['doctor', '--json', ...config(), ...file()]).outcome;
    const diagnosis = JSON.parse(stdout) as Diagnosis;
    expect(diagnosis.traps.filter(({ id }) => !OF_VERSION.includes(id))).toEqual([]);
    const unsayable = [...OF_VERSION, ...OF_UNITS];
    expect(diagnosis.unseen.filter(({ ids }) => ids.some((id) => !unsayable.includes(id)))).toEqual([]);
    expect({ code, stderr, ok: diagnosis.ok }).toEqual({ code: 0, stderr: '', ok: true });
    const admin = (text: string): string[] =>
      text.split('\n').map((line) => line.split(' ').slice(0, 9).join(' '));
    expect(admin(await haproxy.command('show servers state app'))).toEqual(admin(before));
    expect(sidecar.log()).not.toMatch(/serving -> |WARN /);
  });

  test('says it in a line of text, and what it could not look at without the file of HAProxy', async () => {
    const { code, stdout } = await lastcall(['doctor', ...config()]).outcome;
    expect(code).toBe(0);
    expect(stdout).toContain('not seen  check-makes-sessions, option-persist, force-persist');
    expect(stdout).toMatch(/^app1: nothing breaks the promise, .*\(looked for \d+ as .+\)$/m);
    expect((await lastcall(['doctor', '--quiet', ...config()]).outcome).stdout).toBe('');
  });

  test('ends with 78 for a file that is wrong, and with 69 where no HAProxy answers', async () => {
    expect((await lastcall(['doctor', '-c', join(haproxy.dir, 'haproxy.cfg')]).outcome).code).toBe(78);
    const away = join(haproxy.dir, 'away.yaml');
    const text = await readFile(join(haproxy.dir, 'app1.yaml'), 'utf8');
    await writeFile(away, text.replaceAll(haproxy.socket, join(haproxy.dir, 'gone.sock')));
    const { code, stdout } = await lastcall(['doctor', '--json', '-c', away]).outcome;
    expect(code).toBe(69);
    const { ok, traps } = JSON.parse(stdout) as Diagnosis;
    expect({ ok, first: traps[0]?.id }).toEqual({ ok: false, first: 'unreachable' });
  });

  test('asks nothing of a node that its own sidecar has taken out, and says so', async () => {
    expect((await sidecar.lastcall(['drain', '--no-fence'], patience())).code).toBe(0);
    const { stdout } = await lastcall(['doctor', '--json', ...config()]).outcome;
    const { traps, unseen } = JSON.parse(stdout) as Diagnosis;
    expect(traps.map(({ id }) => id)).not.toContain('held');
    expect(unseen.find(({ ids }) => ids.includes('held'))?.why).toContain('out by lastcall itself');
    expect((await sidecar.lastcall(['ready'], patience())).code).toBe(0);
  });
});
