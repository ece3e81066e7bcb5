import { open, mkdir, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { existsSync, readFileSync } from 'node:fs';
import { problemLine } from '../config/problem.ts';
import { balancerAddressProblem } from '../config/validators.ts';
import { parseServerName } from '../haproxy/names.ts';
import { initialConfiguration, type Initial, type InitOptions } from '../init/init.ts';
import { EXIT_CODES, errnoOf, LastcallError, messageOf } from '../system/error.ts';
import { tlsOf } from './direct-options.ts';
import { configFile } from './find-sidecar.ts';
import type { Context } from './ports.ts';
import { printableLine } from './view/printable.ts';

/** The options of `init`, as commander hands them over. */
export interface InitCommandOptions {
  readonly haproxy: readonly string[];
  readonly server?: readonly string[];
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly print?: boolean;
}

/** The user and group of the shipped unit (deploy/systemd). */
const SIDECAR = 'lastcall';
/** Only its owner may write it; the group is for the sidecar's user. It holds no secret until an operator adds one. */
const MODE = 0o640;

/**
 * `lastcall init`: writes the configuration file anew, and never over another one.
 * @returns the exit code
 * @throws LastcallError `state-write` where the file is there or cannot be made; `usage`; as `initialConfiguration`
 */
export async function createConfiguration(options: InitCommandOptions, context: Context): Promise<number> {
  const { ports } = context;
  const { file } = configFile(context);
  const isPrinted = options.print === true;
  const wanted = wantedOf(options);
  // Before HAProxy is asked: an operator who has a file already need not wait for the answer.
  if (!isPrinted && existsSync(file)) throw alreadyThere(file);
  const { signal } = new AbortController();
  const hostname = ports.hostname();
  const initial = await initialConfiguration(wanted, { clock: ports.clock, hostname, signal });
  await requireGood(initial, file, context);
  if (!isPrinted) await writeNew(file, initial.text);
  report(initial, isPrinted ? null : file, context);
  return EXIT_CODES.done;
}

/** @throws LastcallError `usage` */
function wantedOf(options: InitCommandOptions): InitOptions {
  const { haproxy, server: servers = [] } = options;
  haproxy.forEach((address, index) => {
    const wrong =
      balancerAddressProblem(address) ??
      (address.includes('${') ? 'holds ${, which a configuration takes for a variable' : undefined) ??
      (haproxy.indexOf(address) < index ? 'is given twice' : undefined);
    if (wrong !== undefined)
      throw new LastcallError('usage', `--haproxy ${JSON.stringify(address)} ${wrong}`, {
        next: 'see `lastcall init --help`',
      });
  });
  const tls = tlsOf({ ...options, wait: true }, haproxy);
  return { haproxy, tls, servers: servers.map((name) => parseServerName(name, 'usage')) };
}

/**
 * The file has to be one that `lastcall check` accepts.
 * @throws LastcallError `failed` where it is not: that is a fault of lastcall
 */
async function requireGood({ text }: Initial, file: string, { ports }: Context): Promise<void> {
  const { loadConfig } = await import('../config/load.ts');
  const loaded = await loadConfig(text, {
    file,
    env: {},
    hostname: ports.hostname(),
    isTerminal: false,
    supervised: false,
  });
  if (loaded.ok) return;
  const [problem] = loaded.problems;
  throw new LastcallError(
    'failed',
    `what was written is no right configuration, so no file was made: ${problem === undefined ? '' : problemLine(problem)}`,
    { target: file, next: 'report this with the output of `lastcall status --haproxy`' },
  );
}

/** @throws LastcallError `state-write` */
async function writeNew(file: string, text: string): Promise<void> {
  let handle: FileHandle | null = null;
  try {
    // The directory of the configuration, as /etc/lastcall, is made where only it is missing.
    await mkdir(dirname(file)).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error;
    });
    handle = await open(file, 'wx', MODE);
    // Whatever the umask is: the sidecar's user reads it by its group.
    await handle.chmod(MODE);
    await handle.writeFile(text);
    await handle.sync();
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw alreadyThere(file);
    if (handle !== null) await unlink(file);
    throw new LastcallError('state-write', `${file} cannot be written: ${messageOf(error)}`, {
      target: file,
      next: 'name another file with -c, or call it as a user who may write there',
      cause: error,
    });
  } finally {
    await handle?.close();
  }
}

function alreadyThere(file: string): LastcallError {
  return new LastcallError('state-write', `${file} is there already; nothing was written`, {
    target: file,
    next: 'name another file with -c, look at it with --print, or move the old one away',
  });
}

function report(initial: Initial, file: string | null, { ports, globals }: Context): void {
  const { node, balancers, edits, warnings, text } = initial;
  if (globals.json === true) {
    const shown = file === null ? { text } : { file };
    const report = { ok: true, code: 'done', node, ...shown, balancers, edits, warnings };
    ports.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  if (file === null) ports.stdout.write(text);
  if (globals.quiet === true) return;
  const say = (line: string): void => {
    (file === null ? ports.stderr : ports.stdout).write(`${printableLine(line)}\n`);
  };
  for (const warning of warnings) ports.stderr.write(`lastcall: warning: ${printableLine(warning)}\n`);
  if (file !== null) say(`${file}: written (node ${node})`);
  for (const { name, servers } of balancers) say(`  ${name}: ${servers.join(', ')}`);
  for (const { line, text: what } of edits) say(`  line ${line}: EDIT: ${firstSentence(what)}`);
  if (file === null) return;
  // The unit of the package runs as this user, and a file of root's is root's alone.
  if (hasGroup(SIDECAR)) say(`next: chgrp ${SIDECAR} ${file}`);
  say(`next: lastcall check -c ${file}`);
}

/** Whether root's file is to be read by a group of this name. */
function hasGroup(name: string): boolean {
  if (process.geteuid?.() !== 0) return false;
  try {
    return new RegExp(`^${name}:`, 'm').test(readFileSync('/etc/group', 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** An edit begins with its question. */
function firstSentence(text: string): string {
  return /^[^?]*\?/.exec(text)?.[0] ?? text;
}
