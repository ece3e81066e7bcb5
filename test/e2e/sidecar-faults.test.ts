import { afterEach, describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { lastcall } from '../support/cli.ts';
import { file, openRig, patience, type Rig, told } from '../support/rig.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';
import { until } from '../support/until.ts';

let rig: Rig;
let stub: StubServer | undefined;
afterEach(async () => {
  await stub?.stop();
  stub = undefined;
  await rig.close();
});

const says =
  (body: string, status = 200): RequestListener =>
  (_request, response) => {
    response.writeHead(status).end(body);
  };

/** Words for ever: the answer never ends, and never falls silent. */
const endless: RequestListener = (_request, response) => {
  response.writeHead(200);
  const more = (): boolean => response.write('0'.repeat(1024));
  response.on('drain', more);
  while (more());
};

/** One, and from then on no answer at all. */
function thenSilent(): RequestListener {
  let asked = 0;
  return (_request, response) => {
    if (asked++ === 0) response.end('1');
  };
}

describe('A count of sessions that cannot be believed is unknown, and unknown is never zero', () => {
  test.each<[string, () => RequestListener]>([
    ['500', () => says('0', 500)],
    ['"0abc"', () => says('0abc')],
    ['-1', () => says('-1')],
    ['NaN', () => says('NaN')],
    ['nothing', () => says('')],
    ['0 without an end', () => endless],
    ['1 and then no answer', thenSilent],
  ])('%s: the drain goes on until its deadline, 124', async (_what, answer) => {
    rig = await openRig();
    stub = await startStub(answer());
    const words = ['--sessions', stub.url, '--quiet-for', '0s', '--timeout', '700ms'];
    const { code, json } = await told(rig.direct('drain', ...words));
    expect({ code, said: json.code }).toEqual({ code: 124, said: 'deadline' });
    expect(await rig.admin()).toBe('no check');
  });

  test('the same source, healed in the middle: the drain ends well', async () => {
    rig = await openRig();
    let healed = false;
    stub = await startStub((request, response) => says(healed ? '0' : '0abc')(request, response));
    const agent = await rig.sidecar({ sections: { sessions: [{ http: { url: stub.url } }] } });
    const running = told(agent.cli('drain', '--timeout', '20s'));
    const { sessions } = await agent.reaches('draining');
    expect(sessions).toMatchObject({ total: null, sources: [{ error: expect.stringContaining('0abc') }] });
    healed = true;
    expect(await running).toMatchObject({
      code: 0,
      json: { phase: 'drained', sessions: { last: 0 } },
    });
  });
});

const LEAST = 'balancers: [{ haproxy: /run/haproxy/admin.sock, servers: [app/app1] }]\n';

describe('A sidecar that cannot be', () => {
  test('the second one of a node is refused with 75 busy, and the first goes on', async () => {
    rig = await openRig();
    const agent = await rig.sidecar();
    const { code, stderr } = await lastcall(['run', '-c', join(rig.dir, 'app1.yaml')]).outcome;
    expect(code).toBe(75);
    expect(stderr).toContain('another sidecar');
    // Nor under another control socket.
    const other = ['run', '-c', join(rig.dir, 'app1.yaml'), '--socket', join(rig.dir, 'other.sock')];
    expect((await lastcall(other).outcome).code).toBe(75);
    expect((await agent.client.status(patience())).phase).toBe('serving');
  });

  test('a control socket’s path of more than 107 bytes: 78 in run, check and status', async () => {
    rig = await openRig();
    const long = join(rig.dir, `${'x'.repeat(108 - rig.dir.length)}.sock`);
    const config = await file(rig, 'long.yaml', yaml({ listen: { control: long } }));
    for (const words of [
      ['run', '-c', config],
      ['check', '-c', config],
      ['status', '-c', config],
    ]) {
      const { code, stderr } = await lastcall(words).outcome;
      expect({ words: words[0], code }).toEqual({ words: words[0], code: 78 });
      expect(stderr).toContain('107');
    }
  });

  test.each([
    ['broken YAML', 'balancers: [\n', /broken\.yaml:\d+:\d+: /],
    ['an unknown key', `${LEAST}drian: {}\n`, /broken\.yaml:2:1: .*drian/],
    ['a wrong type', `${LEAST}drain: { quiet: 1 }\n`, /broken\.yaml:2:17: /],
    ['a missing variable', `${LEAST}node: \${LASTCALL_NOT_SET}\n`, /broken\.yaml:2:7: .*LASTCALL_NOT_SET/],
  ])('%s: 78 with file:line:column, in run and in check', async (_what, text, place) => {
    rig = await openRig();
    const config = await file(rig, 'broken.yaml', text);
    for (const verb of ['run', 'check']) {
      const { code, stderr } = await lastcall([verb, '-c', config]).outcome;
      expect({ verb, code }).toEqual({ verb, code: 78 });
      expect(stderr).toMatch(place);
    }
  });
});

/** The least that a configuration needs, and what the test is about. */
function yaml(sections: object): string {
  const balancers = [{ haproxy: rig.haproxy.socket, servers: ['app/app1'] }];
  return JSON.stringify({ node: 'app1', balancers, state: join(rig.dir, 'other.json'), ...sections });
}

describe('The record on disk', () => {
  test.each<[string, (whole: string) => string]>([
    ['empty', () => ''],
    ['cut', (whole) => whole.slice(0, whole.length / 2)],
    ['another node’s', (whole) => whole.replace('"app1"', '"app9"')],
  ])(
    '%s: the sidecar puts it aside, shows that in status, and writes nothing to HAProxy',
    async (_what, damage) => {
      rig = await openRig();
      const first = await rig.sidecar();
      await told(first.cli('drain'));
      await first.kill();
      const state = join(rig.dir, 'app1.json');
      const damaged = damage(await readFile(state, 'utf8'));
      await writeFile(state, damaged);
      const before = await rig.states();

      const second = await rig.sidecar();
      const status = await second.reaches('serving');
      expect(status.alarms.join()).toContain('could not be believed');
      expect(status.balancers[0]?.servers[0]).toMatchObject({ admin: 'maint', owner: 'operator' });
      const aside = (await readdir(rig.dir)).filter((name) => name.startsWith('app1.json.bad-'));
      expect(aside).toHaveLength(1);
      expect(await readFile(join(rig.dir, aside[0] ?? ''), 'utf8')).toBe(damaged);
      // It is an operator's MAINT now, and only an operator's command ends it.
      expect(await told(second.cli('ready'))).toMatchObject({ code: 75, json: { code: 'held' } });
      expect(await rig.states()).toBe(before);
    },
  );

  test('cannot be written: 73 and nothing is changed; when it can again, the drain goes through', async () => {
    rig = await openRig();
    const directory = join(rig.dir, 'state');
    const agent = await rig.sidecar({ sections: { state: join(directory, 'app1.json') } });
    await agent.reaches('serving');
    // The age of the pid file is written there first.
    await until('the directory is there', () => existsSync(directory));
    // A file where the directory is to be: not even root can write there.
    await rename(directory, `${directory}.before`);
    await writeFile(directory, '');
    const before = await rig.states();
    const refused = await told(agent.cli('drain'));
    expect(refused).toMatchObject({ code: 73, json: { ok: false, code: 'state-write', phase: 'serving' } });
    expect(refused.stderr).toContain('nothing was started');
    expect(await rig.states()).toBe(before);
    await rename(directory, `${directory}.away`);
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
  });

  test('cannot be written in the middle: the operation goes on with an alarm', async () => {
    rig = await openRig();
    const directory = join(rig.dir, 'state');
    const agent = await rig.sidecar({ sections: { state: join(directory, 'app1.json') } });
    const visitor = await rig.signIn();
    const { json } = await told(agent.cli('drain', '--no-wait'));
    await agent.reaches('draining');
    await rename(directory, `${directory}.away`);
    await writeFile(directory, '');
    await visitor.leave();
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, phase: 'drained' });
    expect((await agent.client.status(patience())).alarms.join()).toContain('could not be written');
    expect(await rig.admin()).toBe('MAINT');
  });
});
