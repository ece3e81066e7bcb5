import { afterAll, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applicationOf, type PortOwner } from '../../agent/init/application.ts';
import type { ServerCandidate } from '../../agent/init/candidates.ts';
import { readMachine, type ListeningProcess } from '../../agent/init/machine.ts';
import { supervisorIn } from '../../agent/init/supervisor.ts';

let running: ChildProcess | null = null;
let dir: string | null = null;
afterAll(async () => {
  running?.kill();
  if (dir !== null) await rm(dir, { recursive: true });
});

describe('A program that runs others', () => {
  test.each([
    [['/usr/bin/python3', '/usr/bin/supervisord', '-n'], 'supervisord'],
    [['PM2 v5.3.0: God Daemon (/root/.pm2)'], 'pm2'],
    [['node', '/usr/local/bin/pm2-runtime', 'app.js'], 'pm2-runtime'],
    [['runsvdir', '-P', '/etc/service'], 'runsvdir'],
    [['/bin/s6-svscan', '/run/service'], 's6-svscan'],
    [['node', '/srv/shop/app.js', '--log', 'supervisord'], null],
    [[], null],
  ])('is known by its command line: %j', (command, name) => {
    expect(supervisorIn(command)).toBe(name);
  });

  test('is seen above the process that listens', async () => {
    dir = await mkdtemp(join(tmpdir(), 'supervisor-'));
    const file = join(dir, 'supervisord');
    // The child's own pipe is ours, so that it ends with it.
    const listens = `require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) }); process.stdin.on('end', () => process.exit()).resume()`;
    await writeFile(
      file,
      `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(listens)}], { stdio: ['pipe', 'inherit', 'inherit'] })`,
    );
    running = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(running.stdout ?? running, 'data')) as [Buffer];
    const port = Number(said.toString());
    const machine = await readMachine(new Set([port]), new AbortController().signal);
    const listener = machine.listenersAt({ host: '127.0.0.1', port });
    expect(listener?.processes.map(({ supervisor }) => supervisor)).toEqual(['supervisord']);
  });
});

describe('What would stop the application', () => {
  test.each([
    ['gunicorn', 'supervisord', 'supervised'],
    ['node', null, 'unit'],
    ['shopd', null, 'unknown'],
  ])('%s under %s: %s', (program, supervisor, kind) => {
    const unit = { name: 'shop.service', manager: 'system' } as const;
    expect(ownerOf({ pid: 2, program, args: [], unit, supervisor })).toMatchObject({
      kind,
      unit: 'shop.service',
    });
  });
});

function ownerOf(process: ListeningProcess): PortOwner {
  const endpoint = { host: '127.0.0.1', port: 8000 };
  const listener = { sockets: ['1'], isAny: false, processes: [process], hidden: [] };
  const place = { kind: 'here', endpoint, listener } as const;
  return applicationOf([{ place } as unknown as ServerCandidate], []).owner;
}
