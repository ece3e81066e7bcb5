import { afterEach, describe, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { configOf } from '../config/support.ts';
import { LASTCALL } from '../support/cli.ts';
import { openPool, type Pool } from '../support/pool.ts';
import { repositoryFiles, textOf } from '../support/repository.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';

/** The Ansible role, and the playbook that rolls a pool without a conductor. */

const execute = promisify(execFile);
const FOLDER = 'deploy/ansible';
const FILES = repositoryFiles(FOLDER);
const ROLE = `${FOLDER}/roles/lastcall`;

interface Option {
  readonly required?: boolean;
  readonly default?: unknown;
}

let pool: Pool | undefined;
afterEach(async () => {
  await pool?.close();
  pool = undefined;
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

function options(): Readonly<Record<string, Option>> {
  const { argument_specs: specs } = parse(textOf(`${ROLE}/meta/argument_specs.yml`)) as {
    readonly argument_specs: { readonly main: { readonly options: Record<string, Option> } };
  };
  return specs.main.options;
}

describe('The Ansible role', () => {
  test('describes each variable that its tasks use, with its default', () => {
    const tasks = textOf(`${ROLE}/tasks/main.yml`);
    const used = new Set([...tasks.matchAll(/\blastcall_\w+/g)].map(([name]) => name));
    expect([...used].sort()).toEqual(Object.keys(options()).sort());
    const defaults = Object.entries(options()).filter(([, option]) => option.required !== true);
    expect(parse(textOf(`${ROLE}/defaults/main.yml`))).toEqual(
      Object.fromEntries(defaults.map(([name, option]) => [name, option.default])),
    );
  });

  test('copies files that are there', () => {
    const named = [...textOf(`${ROLE}/tasks/main.yml`).matchAll(/lastcall_files(?: }}| \+ ')\/([\w./-]+)/g)];
    const files = named.map(([, file]) => file ?? '').filter((file) => !file.endsWith('/'));
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect(textOf(`deploy/${file}`)).not.toBe('');
  });

  test('has an inventory whose configuration is right', async () => {
    const { lastcall } = parse(textOf(`${FOLDER}/hosts.yml`)) as {
      readonly lastcall: { readonly vars: { readonly lastcall_config: object } };
    };
    const written = stringify(lastcall.vars.lastcall_config).replaceAll('{{ lastcall_node }}', 'app1');
    // The certificates are not here.
    const tls = /^ +tls:\n(?: {6,}(?:ca|cert|key): .*\n){3}/m;
    expect(written).toMatch(tls);
    expect(await configOf(written.replace(tls, '').replace('tls://', 'tcp://'))).toMatchObject({
      node: 'app1',
    });
  });

  test('satisfies ansible-lint, with the playbooks', async () => {
    if (!(await has('ansible-lint'))) return;
    expect(FILES.length).toBeGreaterThan(5);
    const cwd = join(packageRoot(), FOLDER);
    const linted = await execute('ansible-lint', ['--offline', '--nocolor', '-q', '.'], { cwd }).catch(
      (error: unknown) => error as { readonly stdout: string; readonly stderr: string },
    );
    expect(linted.stdout + linted.stderr).toBe('');
  });
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
