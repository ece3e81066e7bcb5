import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { messageOf } from '../../agent/system/error.ts';
import { unpackDebian } from './debian.ts';
import { packageRoot } from './sample.ts';

const execute = promisify(execFile);

/** What a test may set. */
export interface PhpOptions {
  /** Where it listens; default a socket in its directory. */
  readonly listen?: string;
  /** What its page calls it. */
  readonly node?: string;
}

/** PHP-FPM of Debian, with the page of test/fixtures/php. */
export interface Php {
  /** Where HAProxy talks FastCGI to it. */
  readonly socket: string;
  /** Where its pages are. */
  readonly docroot: string;
  /** Where its sessions are: a file `sess_ID` each. */
  readonly sessions: string;
  readonly pidFile: string;
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
export async function startPhp(program: string, dir: string, options: PhpOptions = {}): Promise<Php> {
  const { node = 'p1', listen = join(dir, 'fpm.sock') } = options;
  const at = (name: string): string => join(dir, name);
  const [sessions, file, pidFile, log] = [at('sessions'), at('fpm.conf'), at('fpm.pid'), at('fpm.log')];
  await mkdir(sessions, { mode: 0o700 });
  await writeFile(file, configuration({ listen, sessions, log, pidFile, node }));
  // -n: nothing of the machine's own php.ini; -R: the user that runs the tests is good enough, root too.
  const words = ['--pdeathsig', 'KILL', program, '-n', '-F', '-R', '-y', file];
  const child = spawn('setpriv', words, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  while (!(await isReady(log))) {
    if (child.exitCode !== null) throw new Error(`php-fpm ended (${child.exitCode})`);
    await sleep(5);
  }
  return { socket: listen, sessions, pidFile, docroot: join(packageRoot(), 'test/fixtures/php'), stop };
}

interface Configured {
  readonly listen: string;
  readonly sessions: string;
  readonly log: string;
  readonly pidFile: string;
  readonly node: string;
}

function configuration({ listen, sessions, log, pidFile, node }: Configured): string {
  return `[global]
error_log = ${log}
pid = ${pidFile}
; Without it a request under way is cut by the stop.
process_control_timeout = 10s
[www]
listen = ${listen}
pm = static
pm.max_children = 2
env[NODE] = ${node}
${process.getuid?.() === 0 ? 'user = root\ngroup = root\n' : ''}php_admin_value[session.save_path] = ${sessions}
php_admin_value[session.gc_probability] = 0
php_admin_value[session.use_strict_mode] = 1
`;
}

/** Does its log say that it takes connections? */
async function isReady(log: string): Promise<boolean> {
  return readFile(log, 'utf8').then(
    (text) => text.includes('ready to handle connections'),
    () => false,
  );
}
