import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const shipped = fileURLToPath(new URL('../../deploy/systemd/', import.meta.url));
let temp: TempDir;
beforeEach(async () => {
  temp = await makeTempDir();
  await chmod(temp.path, 0o755);
});
afterEach(() => temp.remove());

interface Ran {
  readonly code: number | string;
  readonly output: string;
}

function run(program: string, ...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, args, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? 'killed'), output: stdout + stderr });
    });
  });
}

/** False, and loudly so, where a program is not installed. */
async function has(program: string): Promise<boolean> {
  const { code } = await run(program, '--version');
  if (code === 'ENOENT') skipped(`${program} is not installed (Debian: apt-get install systemd util-linux)`);
  return code !== 'ENOENT';
}

/** Copies of the shipped units, with a program in the place of /usr/bin/lastcall, and an application's unit. */
async function install(
  lastcall: string,
  app: string,
): Promise<{ readonly sidecar: string; readonly app: string }> {
  const read = async (name: string): Promise<string> =>
    (await readFile(join(shipped, name), 'utf8')).replaceAll('/usr/bin/lastcall', lastcall);
  await mkdir(join(temp.path, 'app.service.d'));
  const dropIn = join('app.service.d', '10-lastcall.conf');
  await writeFile(join(temp.path, dropIn), await read(dropIn));
  for (const unit of ['lastcall.service', 'lastcall.target'])
    await writeFile(join(temp.path, unit), await read(unit));
  await writeFile(join(temp.path, 'app.service'), app);
  return { sidecar: join(temp.path, 'lastcall.service'), app: join(temp.path, 'app.service') };
}

describe('The systemd units', () => {
  test('are understood by systemd word for word', async () => {
    if (!(await has('systemd-analyze'))) return;
    const units = await install('/bin/true', '[Service]\nExecStart=/bin/true\n');
    // An unknown key is only a line of output, with exit code 0.
    expect(await run('systemd-analyze', 'verify', '--man=no', units.sidecar)).toEqual({
      code: 0,
      output: '',
    });
    expect(await run('systemd-analyze', 'verify', '--man=no', units.app)).toEqual({ code: 0, output: '' });

    const dropIn = join(temp.path, 'app.service.d', '10-lastcall.conf');
    await writeFile(dropIn, (await readFile(dropIn, 'utf8')).replace('TimeoutStopSec', 'TimeoutStopSek'));
    const { output } = await run('systemd-analyze', 'verify', '--man=no', units.app);
    expect(output).toContain("Unknown key 'TimeoutStopSek'");
  });

  test('shut the sidecar into a sandbox with an exposure of at most 1.3, and leave /proc to it', async () => {
    if (!(await has('systemd-analyze'))) return;
    const { sidecar } = await install('/bin/true', '');
    const { code, output } = await run(
      'systemd-analyze',
      'security',
      '--offline=true',
      '--threshold=13',
      '--no-pager',
      sidecar,
    );
    expect(output).toMatch(/exposure level for lastcall.service: 1\.[0-3] OK/);
    expect(code).toBe(0);
    // They would hide HAProxy's old workers and the application.
    expect(await readFile(sidecar, 'utf8')).not.toMatch(/^(ProtectProc|ProcSubset|PrivateUsers)=/m);
  });

  test('give the drain less time than systemd gives the stop', async () => {
    const dropIn = await readFile(join(shipped, 'app.service.d', '10-lastcall.conf'), 'utf8');
    const drain = Number(/^ExecStop=.* --timeout (\d+)m /m.exec(dropIn)?.[1]);
    const stop = Number(/^TimeoutStopSec=(\d+)m$/m.exec(dropIn)?.[1]);
    expect(drain).toBeGreaterThan(0);
    expect(stop).toBeGreaterThan(drain);
  });
});

/** The shell's words of one line of the drop-in, with `lastcall` in the temporary directory. */
async function commandOf(key: string): Promise<string> {
  const { app } = await install(join(temp.path, 'lastcall'), '');
  const text = await readFile(join(`${app}.d`, '10-lastcall.conf'), 'utf8');
  const [, command] =
    new RegExp(`^${key}=[-+]*/bin/sh -c '(.*lastcall (?:drain|ready).*)'$`, 'm').exec(text) ?? [];
  if (command === undefined) throw new Error(`no ${key}`);
  return command;
}

describe('Where `npm install --global` has the program away', () => {
  /** In place of sleep(1): no time passes, each call is written down, and the program is there once it was called so often. */
  const SLEEP = `#!/bin/sh
echo >>HERE/slept
test "$(wc -l <HERE/slept)" != "$PUT_AFTER" || mv HERE/new HERE/lastcall
`;
  const PROGRAM = '#!/bin/sh\necho "$*" >>HERE/called\n';

  async function runLine(
    key: string,
    env: Readonly<Record<string, string>>,
  ): Promise<Ran & { slept: number }> {
    const command = await commandOf(key);
    await mkdir(join(temp.path, 'bin'));
    const write = (name: string, text: string): Promise<void> =>
      writeFile(join(temp.path, name), text.replaceAll('HERE', temp.path), { mode: 0o755 });
    await write('bin/sleep', SLEEP);
    await write('new', PROGRAM);
    await write('slept', '');
    await write('called', '');
    const { PATH = '/usr/bin:/bin' } = process.env;
    const { code } = await new Promise<Ran>((resolve) => {
      const options = { env: { PATH: `${temp.path}/bin:${PATH}`, ...env } };
      execFile('/bin/sh', ['-c', command], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : (error.code ?? 'killed'), output: stdout + stderr });
      });
    });
    const [slept, output] = await Promise.all(
      ['slept', 'called'].map((name) => readFile(join(temp.path, name), 'utf8')),
    );
    return { code, output: output ?? '', slept: slept?.length ?? 0 };
  }

  test('the stop of the application waits for it, and then drains', async () => {
    expect(await runLine('ExecStop', { MAINPID: '1', PUT_AFTER: '3' })).toEqual({
      code: 0,
      slept: 3,
      output: 'drain --no-refuse --timeout 30m --on-timeout force --reason systemctl stop\n',
    });
  });

  test('its start waits for it, and then asks for the return', async () => {
    expect(await runLine('ExecStartPost', { PUT_AFTER: '3' })).toEqual({
      code: 0,
      slept: 3,
      output: 'ready --no-wait --reason systemctl start\n',
    });
  });

  test('a stop waits half a minute for a program that was removed, and not at all for an application that has ended', async () => {
    expect(await runLine('ExecStop', { MAINPID: '1', PUT_AFTER: '0' })).toEqual({
      code: 127,
      slept: 30,
      output: '',
    });
    await rm(join(temp.path, 'bin'), { recursive: true });
    await rm(join(temp.path, 'app.service.d'), { recursive: true });
    expect(await runLine('ExecStop', { MAINPID: '', PUT_AFTER: '0' })).toEqual({
      code: 0,
      slept: 0,
      output: '',
    });
  });
});

const APP = `#!/bin/sh
trap 'echo TERM >>HERE/log; exit 0' TERM
echo start >>HERE/log
echo >HERE/started
while :; do sleep 0.05; done
`;

const LASTCALL = `#!/bin/sh
kill -0 "$MAINPID" && alive=yes || alive=no
printf '%s %s app-alive=%s\\n' "$1" "$2" "$alive" >>HERE/log
if [ "$1" = drain ]; then sleep 0.3; echo drained >>HERE/log; fi
exit 75
`;

/** In mount and pid namespaces of their own: systemd as the user manager, which needs nothing of the machine's. */
const RIG = `set -eu
mount -t tmpfs none /run
mkdir -p /run/systemd/system /run/user/0
export XDG_RUNTIME_DIR=/run/user/0 HOME=HERE SYSTEMD_UNIT_PATH=HERE:
mkfifo HERE/started
/lib/systemd/systemd --user >HERE/systemd.log 2>&1 &
until systemctl --user is-system-running 2>/dev/null | grep -qE 'running|degraded'; do sleep 0.05; done
# Again after an end of file: an application that has just written may still have the pipe open.
started() { until read -r line <HERE/started; do :; done; }
started & systemctl --user start app; wait $!
systemctl --user stop app
echo crash >>HERE/log
started & systemctl --user start app; wait $!
started & kill -KILL "$(systemctl --user show -p MainPID --value app)"; wait $!
echo over >>HERE/log
# It stops the application, and takes its control groups away.
systemctl --user exit
wait
`;

test('Under a real systemd the drop-in drains before the application is stopped, and not after it has crashed', async () => {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) return skipped('only root may make the namespaces that it needs');
  if (!(await has('/lib/systemd/systemd')) || !(await has('unshare'))) return;
  const write = async (name: string, text: string): Promise<void> => {
    await writeFile(join(temp.path, name), text.replaceAll('HERE', temp.path), { mode: 0o755 });
  };
  const unit = '[Service]\nExecStart=HERE/app\nRestart=on-failure\nRestartSec=50ms\n';
  await install(join(temp.path, 'lastcall'), unit.replaceAll('HERE', temp.path));
  await write('app', APP);
  await write('lastcall', LASTCALL);
  await write('rig', RIG);

  const { code, output } = await run(
    'unshare',
    '-m',
    '-p',
    '-f',
    '--mount-proc',
    '--kill-child',
    'sh',
    join(temp.path, 'rig'),
  );
  if (output.includes('unshare failed') || output.includes('permission denied')) return skipped(output);
  expect({ code, output }).toEqual({ code: 0, output: '' });
  const log = (await readFile(join(temp.path, 'log'), 'utf8')).trimEnd().split('\n');
  const [before, after] = [
    log.slice(0, log.indexOf('crash')),
    log.slice(log.indexOf('crash') + 1, log.indexOf('over')),
  ];
  // systemd calls ExecStartPost as soon as the process is there, whatever that one has done by then.
  expect(before.filter((line) => line !== 'start')).toEqual([
    'ready --no-wait app-alive=yes',
    'drain --no-refuse app-alive=yes',
    'drained',
    'TERM',
  ]);
  expect(after.filter((line) => line === 'start')).toHaveLength(2);
  expect(after.filter((line) => line.startsWith('drain'))).toEqual([]);
});
