import { afterEach, describe, expect, test } from '@jest/globals';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { lastcall } from '../support/cli.ts';
import { run, type HaproxyProcess } from '../support/haproxy-process.ts';
import { freePort } from '../support/ports.ts';
import { openRig, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

/** Situations of public reports that lastcall has met wrongly; each test has the report as its source. */

let rig: Rig;
let second: HaproxyProcess | null = null;
afterEach(async () => {
  second?.child.kill('SIGKILL');
  await second?.ended;
  second = null;
  await rig.close();
});

describe('A HAProxy as it was found', () => {
  // haproxy/haproxy#1078, and the many reports of "multiple haproxy processes listening on the same port".
  test('started twice: not drained while the first process takes users, and it is named', async () => {
    rig = await openRig();
    const first = rig.haproxy.pid;
    second = run(['-db', '-f', join(rig.dir, 'haproxy.cfg')]);
    await until('it has the socket', async () => (await rig.haproxy.workerPid()) === second?.child.pid);
    const drain = told(rig.direct('drain', '--timeout', '60s'));
    await until('it drains', async () => (await rig.admin()) === 'DRAIN');
    await rig.haproxy.kill('SIGUSR1');
    const { code, json } = await drain;
    expect({ code, phase: json.phase }).toEqual({ code: 0, phase: 'drained' });
    expect(json.warnings.join()).toContain(
      `another HAProxy with the same configuration file runs (${first})`,
    );
  });

  // `show stat 443` is the proxy of that name: a site with a frontend for each port, and some hundred proxies.
  test('a proxy whose name is the number of ours: it is drained and brought back', async () => {
    const proxies = `frontend 443\n  bind 127.0.0.1:${await freePort()}\n  default_backend app\n`;
    rig = await openRig({ others: `  id 443\n  server app2 127.0.0.1:1 cookie app2\n${proxies}` });
    expect(await told(rig.direct('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(await rig.haproxy.command('show servers state app')).toMatch(/^443 app 1 app1 \S+ 0 1 /m);
    expect(await told(rig.direct('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
  });

  test('with servers named BACKEND and FRONTEND: status and init list them, and each is drained', async () => {
    rig = await openRig({ others: '  server BACKEND 127.0.0.1:1\n  server FRONTEND 127.0.0.1:3\n' });
    const at = ['--haproxy', rig.haproxy.socket];
    const all = await lastcall(['status', '--json', ...at]).outcome;
    const named = ['--server', 'app/BACKEND', '--server', 'app/FRONTEND'];
    const written = await lastcall(['init', '--print', ...at, '--server', 'app/BACKEND']).outcome;
    for (const name of ['app/app1', 'app/BACKEND', 'app/FRONTEND']) expect(all.stdout).toContain(`"${name}"`);
    expect(written.stdout).toContain('app/BACKEND');
    expect(await told(lastcall(['drain', '--json', ...at, ...named]))).toMatchObject({ code: 0 });
    expect(await rig.haproxy.command('show servers state app')).toMatch(
      / BACKEND \S+ 0 1 .*\n.* FRONTEND \S+ 0 1 /,
    );
  });

  test('with an agent-check of the application that says 0%: a refusal names it beside an operator', async () => {
    // HAProxy resets the connection once it has read the line.
    const agent = createServer((socket) => socket.on('error', () => undefined).end('up 0%\n'));
    await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = agent.address() as AddressInfo;
      rig = await openRig({ server: `agent-check agent-port ${port} agent-inter 100ms` });
      await until('it has no weight', async () =>
        (await rig.haproxy.command('get weight app/app1')).startsWith('0 '),
      );
      for (const verb of ['drain', 'ready']) {
        const { code, json } = await told(rig.direct(verb));
        expect({ code, said: json.code }).toEqual({ code: 75, said: 'held' });
        expect(json.message).toMatch(
          /app\/app1 has weight 0, .*or its agent-check's: one answers for it \(L7OK.*`0%` does the same/,
        );
      }
    } finally {
      agent.close();
    }
  });
});
