import { describe, expect, test } from '@jest/globals';
import type { PortOwner } from '../../agent/init/application.ts';
import { writeConfiguration } from '../../agent/init/write.ts';
import { load, nodeOf, SERVER, someFacts, UNIT, withChoices } from '../support/init-facts.ts';

const OWNERS: readonly PortOwner[] = [
  UNIT,
  { kind: 'front', unit: 'nginx.service', program: 'nginx' },
  { kind: 'front', unit: null, program: 'httpd' },
  { kind: 'container', program: 'docker-proxy' },
  { kind: 'socket-activated' },
  { kind: 'user-unit', unit: 'shop.service', program: 'node' },
  { kind: 'several', units: ['a.service', 'b.service'] },
  { kind: 'shared', unit: 'supervisord.service', program: 'python3', others: ['blog/blog1'] },
  { kind: 'supervised', unit: 'a.service', program: 'gunicorn', supervisor: 'supervisord', port: 8000 },
  { kind: 'supervised', unit: 'a.service', program: 'node', supervisor: 's6-svscan', port: 3000 },
  { kind: 'unknown', unit: 'shop.service', program: 'shopd' },
  { kind: 'no-unit', program: 'java' },
  { kind: 'hidden', users: [998], units: ['tomcat10.service'] },
  { kind: 'hidden', users: [0], units: [] },
  { kind: 'closed' },
  { kind: 'elsewhere' },
];

describe('The file that init writes', () => {
  test.each(OWNERS)(
    'is right as it is, and once its one or two questions are answered: $kind',
    async (owner) => {
      const { text, edits } = writeConfiguration(someFacts({}, owner));
      expect(await load(text)).toMatchObject({ ok: true });
      // Of an application elsewhere no page could be asked for.
      expect(edits).toHaveLength({ unit: 1, elsewhere: 3 }[owner.kind as string] ?? 2);
      const lines = text.split('\n');
      for (const { line } of edits) expect(lines[line - 1]).toMatch(/^ *# EDIT: (how|which page) /);
      if (owner.kind === 'unit') return;
      const answered = withChoices(
        text,
        /stop: \{ (systemd|docker|command: \[(supervisorctl|s6))/,
        /start: \{ (systemd|command: \[(docker|supervisorctl|s6))/,
      );
      expect(await load(answered)).toMatchObject({
        ok: true,
        config: {
          app: {
            stop: { kind: { container: 'docker', supervised: 'command' }[owner.kind as string] ?? 'systemd' },
          },
        },
      });
    },
  );

  test('names the unit of a process that it may not see only as a proposal', () => {
    const { text } = writeConfiguration(
      someFacts({}, { kind: 'hidden', users: [998], units: ['tomcat10.service'] }),
    );
    expect(text).toMatch(/^ {2}# stop: \{ systemd: tomcat10\.service \}$/m);
    expect(text).not.toMatch(/^ {2}stop:/m);
  });

  test.each(['tomcat', 'wildfly', 'java', 'php-fpm', 'node', 'web-server', null] as const)(
    'has a right line for each way to count that it proposes: %s',
    async (kind) => {
      const facts = someFacts({ application: { ...someFacts().application, kind } });
      const { text } = writeConfiguration(facts);
      const choices = text.split('\n').filter((line) => /^# {3}- /.test(line));
      expect(choices.length).toBeGreaterThanOrEqual(3);
      for (const choice of choices) {
        const answered = text.replace('# sessions:', 'sessions:').replace(choice, choice.replace('# ', ''));
        const loaded = await load(answered);
        expect(loaded).toMatchObject({ ok: true });
        expect(loaded.ok && loaded.config.sessions).toHaveLength(1);
      }
    },
  );

  test('proposes a line for each application of a Tomcat', async () => {
    const { text } = writeConfiguration(someFacts({ contexts: ['/', '/shop/api'] }));
    const chosen = withChoices(text, /sessions:/, / {2}- tomcat: /);
    expect(await load(chosen)).toMatchObject({
      ok: true,
      config: { sessions: [{ context: '/' }, { context: '/shop/api' }] },
    });
  });

  test('asks for the page that was found to be good, and asks which one it is where none was', async () => {
    const { text } = writeConfiguration(someFacts());
    expect(await load(text)).toMatchObject({
      config: { app: { probe: { how: { kind: 'http', url: new URL('http://127.0.0.1:8080/health') } } } },
    });
    const { text: without, edits } = writeConfiguration(someFacts({ healthPage: null }));
    expect(await load(without)).toMatchObject({ config: { app: { probe: { how: { kind: 'tcp' } } } } });
    expect(edits.map((edit) => edit.text).join()).toContain(
      'which page says whether the application is healthy?',
    );
  });

  test('has right lines for everything else that it leaves to a choice', async () => {
    const { text } = writeConfiguration(someFacts());
    const chosen = withChoices(text, /keep: 1/, /audit: /, /pool: /, /lock: /, /sticky: false/);
    expect(await load(chosen)).toMatchObject({ ok: true, config: { sticky: false, pool: { name: 'app' } } });
    const { text: asked } = writeConfiguration(someFacts({ healthPage: null }));
    const http = withChoices(asked.replace(/^ {4}tcp: .*\n/m, ''), /http: \{ url: \S+\/health/);
    expect(await load(http)).toMatchObject({
      ok: true,
      config: { app: { probe: { how: { kind: 'http' } } } },
    });
    const root = writeConfiguration(someFacts({ nodes: [nodeOf({ masterAccess: 'root' })] })).text;
    expect(await load(root)).toMatchObject({ ok: true, config: { balancers: [{ master: null }] } });
    const master = 'unix:/run/haproxy/master.sock';
    expect(await load(withChoices(root, /master: /))).toMatchObject({
      ok: true,
      config: { balancers: [{ master }] },
    });
  });

  test('has no question where a stick table counts, unless its entries never end', async () => {
    const sticky = { ...SERVER, sticky: 'stick table app' };
    const written = (expires: boolean | null): ReturnType<typeof writeConfiguration> =>
      writeConfiguration(
        someFacts({ nodes: [nodeOf({ servers: [sticky], tables: [{ name: 'app', expires }] })] }),
      );
    expect(written(true)).toMatchObject({ edits: [], warnings: [] });
    // Of an empty table its lifetime is asked.
    const empty = written(null);
    expect(empty.edits).toMatchObject([{ text: expect.stringContaining('table app live?') }]);
    const counted = { config: { sessions: [{ kind: 'stickTable', table: 'app' }] } };
    expect(await load(empty.text)).toMatchObject(counted);
    expect(await load(withChoices(empty.text, /expire: 30m/))).toMatchObject(counted);
    const { text, edits } = written(false);
    expect(edits).toMatchObject([{ text: expect.stringMatching(/app has no `expire`/) }]);
    expect(await load(text)).toMatchObject({ ok: true, config: { sessions: [] } });
    expect(await load(withChoices(text, /sessions:/, / {2}- stickTable/))).toMatchObject({
      ok: true,
      config: { sessions: [{ kind: 'stickTable' }] },
    });
  });

  test('asks no table that one of its HAProxys does not have', () => {
    const sticky = { ...SERVER, sticky: 'stick table app' };
    const tables = [{ name: 'app', expires: true }];
    const nodes = [nodeOf({ servers: [sticky], tables }), nodeOf({ servers: [sticky] })];
    expect(writeConfiguration(someFacts({ nodes })).edits).toHaveLength(1);
  });

  test('below level admin sets states by agent-check where HAProxy asks one, and asks otherwise', async () => {
    const asked = nodeOf({ servers: [{ ...SERVER, agentPort: 7009 }] }, 'operator');
    expect(await load(writeConfiguration(someFacts({ nodes: [asked] })).text)).toMatchObject({
      ok: true,
      config: { balancers: [{ writer: 'agent-check' }], listen: { agentCheck: { port: 7009 } } },
    });
    const taken = writeConfiguration(someFacts({ nodes: [asked], takenPorts: new Set([7009]) }));
    expect(taken.edits).toHaveLength(2);
    expect(taken.text).toMatch(/^# {3}agentCheck: \{ address: 0\.0\.0\.0:7001 \}$/m);
    const { text, edits, warnings } = writeConfiguration(someFacts({ nodes: [nodeOf({}, 'operator')] }));
    expect(edits).toHaveLength(2);
    expect(warnings).toContainEqual(expect.stringMatching(/level operator/));
    expect(await load(text)).toMatchObject({ ok: true, config: { balancers: [{ writer: 'runtime' }] } });
    const chosen = withChoices(text, /writer: /, /listen:/, / {2}agentCheck: /);
    expect(await load(chosen)).toMatchObject({
      ok: true,
      config: { balancers: [{ writer: 'agent-check' }] },
    });
  });

  test('warns of what would refuse a drain now', () => {
    const servers = [
      {
        ...SERVER,
        sticky: null,
        hashed: 'balance source',
        admin: 'drain',
        others: 0,
        check: { kind: 'none', port: null },
      },
      { ...SERVER, name: 'app/b', isWeightless: true },
      { ...SERVER, name: 'app/c', admin: 'maint', isUnresolved: true },
    ] as const;
    const { warnings } = writeConfiguration(someFacts({ nodes: [nodeOf({ servers })] }));
    for (const what of [/75 held/, /75 unkeepable/, /has no check/, /75 guard/, /weight 0 now/, /\(DNS\)/])
      expect(warnings).toContainEqual(expect.stringMatching(what));
  });

  test('keeps what was read elsewhere within its comment or its value', async () => {
    const hostile = 'x\nbalancers: []\u2028\u0085# "\\';
    const server = { ...SERVER, name: 'app/no', sticky: hostile };
    const facts = someFacts(
      { node: 'no', nodes: [nodeOf({ servers: [server] })] },
      { kind: 'no-unit', program: hostile },
    );
    const { text } = writeConfiguration(facts);
    expect(text).not.toMatch(/\u2028|\u0085/);
    expect(await load(text)).toMatchObject({
      ok: true,
      config: { node: 'no', balancers: [{ servers: ['app/no'] }] },
    });
  });

  test('has no line that is longer than a screen, but for values', () => {
    const { text } = writeConfiguration(someFacts());
    const long = text.split('\n').filter((line) => line.length > 110 && /^ *# [A-Z]/.test(line));
    expect(long).toEqual([]);
  });
});
