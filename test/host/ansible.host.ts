import { afterEach, describe, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { LASTCALL } from '../support/cli.ts';
import { openPool, type Pool } from '../support/pool.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';
import { openStock, type Stock } from './stock.ts';

/** The Ansible role in a whole Debian, and the playbook that rolls a pool without a conductor. */

const execute = promisify(execFile);
const FOLDER = 'deploy/ansible';

let pool: Pool | undefined;
let stock: Stock | undefined;
afterEach(async () => {
  await pool?.close();
  await stock?.box.close();
  pool = stock = undefined;
});

/** False, and loudly so, where a program is not installed. */
async function has(program: string): Promise<boolean> {
  try {
    await execute(program, ['--version']);
    return true;
  } catch {
    skipped(`${program} does not run here (Debian: apt-get install ansible-core ansible-lint)`);
    return false;
  }
}

test('ansible-lint is satisfied with the role and the playbooks', async () => {
  if (!(await has('ansible-lint'))) return;
  const cwd = join(packageRoot(), FOLDER);
  const linted = await execute('ansible-lint', ['--offline', '--nocolor', '-q', '.'], { cwd }).catch(
    (error: unknown) => error as { readonly stdout: string; readonly stderr: string },
  );
  expect(linted.stdout + linted.stderr).toBe('');
});

test('roll.yml rolls a pool under users, all nodes asked at once: one is out at a time, nothing failed, no session lost', async () => {
  if (!(await has('ansible-playbook'))) return;
  const opened = await openPool({ size: 3 });
  pool = opened;
  const { dir, nodes } = opened;
  const hosts = nodes.map(({ name, agent }) => [name, { roll_options: ['--socket', agent.control] }]);
  const inventory = {
    lastcall: {
      hosts: Object.fromEntries(hosts) as object,
      vars: {
        ansible_connection: 'local',
        ansible_python_interpreter: '/usr/bin/python3',
        roll_lastcall: [process.execPath, LASTCALL],
        roll_reason: 'deploy 41',
      },
    },
  };
  await writeFile(join(dir, 'hosts.yml'), stringify(inventory));
  const crowd = opened.users(24);
  await crowd.start();
  const watched = opened.watch();
  const before = await Promise.all(nodes.map((node) => node.made()));
  const ansible = await runAnsible(
    ['-i', join(dir, 'hosts.yml'), join(packageRoot(), FOLDER, 'roll.yml')],
    dir,
  );
  const seen = await watched.end();
  const report = await crowd.stop();
  expect(ansible).toMatchObject({ code: 0, stderr: '' });
  expect(ansible.stdout.match(/ok=1 +changed=1 +unreachable=0 +failed=0/g)).toHaveLength(3);
  expect(report).toMatchObject({ failed: 0, lost: 0, failures: [] });
  expect(seen).toMatchObject({ fenced: 1, out: 1 });
  // Each is another process now: its count of sessions began anew.
  const after = await Promise.all(nodes.map((node) => node.made()));
  expect(before.length).toBe(3);
  for (const node of nodes)
    expect((await node.agent.client.status(AbortSignal.timeout(5_000))).phase).toBe('serving');
  expect(after.every(Number.isFinite)).toBe(true);
}, 150_000);

/** What the role is given for app1 of the stock machine. */
const HOST = {
  lastcall_app_unit: 'app1.service',
  lastcall_secrets: { 'app.token': 'secret' },
  lastcall_config: {
    node: 'app1',
    app: {
      probe: { http: { url: 'http://127.0.0.1:8080/health' } },
      start: { systemd: 'app1.service' },
      stop: { systemd: 'app1.service' },
    },
    balancers: [{ haproxy: 'unix:/run/haproxy/admin.sock', servers: ['app/app1'] }],
    sessions: [{ http: { url: 'http://127.0.0.1:8080/sessions' } }],
  },
};

/** What openStock has put there by hand, and the role has to put there again. */
const REMOVED = `systemctl stop lastcall
  rm -r /etc/lastcall /etc/systemd/system/lastcall.service /etc/systemd/system/lastcall.target
  rm -r /etc/systemd/system/app1.service.d /etc/polkit-1/rules.d/50-lastcall.rules
  userdel lastcall
  systemctl daemon-reload`;

describe('The role', () => {
  test('makes a working sidecar, changes nothing the second time, and refuses a wrong configuration', async () => {
    if (!(await has('ansible-playbook'))) return;
    const opened = await openStock('app1');
    stock = opened;
    const { box } = opened;
    await box.sh(REMOVED);
    const play = async (vars: object) => {
      await box.write('/tmp/hosts.yml', stringify({ lastcall: { hosts: { app1: vars } } }));
      const site = `/run/in/checkout/${FOLDER}/site.yml`;
      return box.run(['ansible-playbook', '-i', '/tmp/hosts.yml', '-c', 'local', site]);
    };
    const first = await play(HOST);
    expect(first).toMatchObject({ code: 0 });
    await opened.untilServing();
    expect(await box.sh('stat -c "%U:%G %a" /etc/lastcall/app.token')).toBe('root:lastcall 640');

    const crowd = await opened.crowd();
    expect(await opened.lastcall('restart', '--reason', 'deploy 41')).toMatchObject({ code: 0 });
    expect(await crowd.leave()).toMatchObject({ failed: 0, lost: 0 });
    // As the drop-in has it: the stop of the unit drains first.
    expect(await box.sh('systemctl show -p ExecStop app1.service')).toContain('drain --no-refuse');

    const second = await play(HOST);
    expect(second.stdout).toMatch(/changed=0 +unreachable=0 +failed=0/);

    const before = await box.sh('cat /etc/lastcall/lastcall.yaml');
    const wrong = await play({ ...HOST, lastcall_config: { ...HOST.lastcall_config, balancer: [] } });
    expect(wrong.code).not.toBe(0);
    expect(wrong.stdout).toContain('balancer');
    expect(await box.sh('cat /etc/lastcall/lastcall.yaml')).toBe(before);
    expect(await play({ ...HOST, lastcall_app_unit: undefined })).toMatchObject({
      stdout: expect.stringContaining('missing required arguments: lastcall_app_unit'),
    });
  }, 480_000);
});

/** `ansible-playbook WORDS`, with all that it writes in `dir`. */
async function runAnsible(words: readonly string[], dir: string) {
  const env = {
    ...process.env,
    HOME: dir,
    ANSIBLE_NOCOLOR: '1',
    ANSIBLE_LOCAL_TEMP: join(dir, 'ansible'),
    ANSIBLE_REMOTE_TMP: join(dir, 'ansible'),
    ANSIBLE_ASYNC_DIR: join(dir, 'async'),
  };
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'ansible-playbook', ...words], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}
