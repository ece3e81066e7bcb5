import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { messageOf } from '../../agent/system/error.ts';
import { unpackDebian } from './debian.ts';
import { packageRoot } from './sample.ts';

const execute = promisify(execFile);

/** PHP-FPM of Debian, with the page of test/fixtures/php. */
export interface Php {
  /** Where HAProxy talks FastCGI to it. */
  readonly socket: string;
  /** Where its pages are. */
  readonly docroot: string;
  /** Where its sessions are: a file `sess_ID` each. */
  readonly sessions: string;
  stop(): Promise<void>;
}

/** The program, or what this machine lacks for it. */
export async function unpackPhp(): Promise<{ readonly program: string } | { readonly missing: string }> {
  const needed = 'usr/sbin/php-fpm8.2';
  const unpacked = await unpackDebian('php8.2', ['php8.2-fpm'], needed);
  if ('missing' in unpacked) return unpacked;
  const program = join(unpacked.root, needed);
  try {
    // Libraries that are not installed here stop it before it can say anything.
    await execute(program, ['-n', '-v']);
    return { program };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

/** Starts it in `dir`; resolves once it listens. */
export async function startPhp(program: string, dir: string): Promise<Php> {
  const [socket, sessions, file] = ['fpm.sock', 'sessions', 'fpm.conf'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(sessions, { mode: 0o700 });
  await writeFile(file, configuration(socket, sessions, join(dir, 'fpm.log')));
  // -n: nothing of the machine's own php.ini; -R: the user that runs the tests is good enough, root too.
  const words = ['--pdeathsig', 'KILL', program, '-n', '-F', '-R', '-y', file];
  const child = spawn('setpriv', words, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  while (!(await exists(socket))) {
    if (child.exitCode !== null) throw new Error(`php-fpm ended (${child.exitCode})`);
    await sleep(5);
  }
  return { socket, sessions, docroot: join(packageRoot(), 'test/fixtures/php'), stop };
}

function configuration(socket: string, sessions: string, log: string): string {
  return `[global]
error_log = ${log}
[www]
listen = ${socket}
pm = static
pm.max_children = 2
${process.getuid?.() === 0 ? 'user = root\ngroup = root\n' : ''}php_admin_value[session.save_path] = ${sessions}
php_admin_value[session.gc_probability] = 0
`;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
