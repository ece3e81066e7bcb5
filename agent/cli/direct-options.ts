import { BOUNDS } from '../config/bounds.ts';
import { parseDuration } from '../formats/duration.ts';
import {
  balancerAddressProblem,
  masterAddressProblem,
  pathProblem,
  pointerProblem,
  serverNameProblem,
  urlProblem,
} from '../config/validators.ts';
import { plainAddress } from '../haproxy/address.ts';
import type { OperationKind } from '../lifecycle/model/api.ts';
import { LastcallError } from '../system/error.ts';
import type { VerbOptions } from './options.ts';
import type { DirectOptions, DirectStop, Globals } from './ports.ts';
import { splitShellWords } from './shell-words.ts';
import { MAX_PID } from '../system/limits.ts';

const DIRECT_FLAGS = {
  server: '--server',
  master: '--master',
  tlsCa: '--tls-ca',
  tlsCert: '--tls-cert',
  tlsKey: '--tls-key',
  sessions: '--sessions',
  sessionsJson: '--sessions-json',
  stopPid: '--stop-pid',
  stopCommand: '--stop-command',
  health: '--health',
  quietFor: '--quiet-for',
  notSticky: '--not-sticky',
  keep: '--keep',
  unreachable: '--unreachable',
  reloadGrace: '--reload-grace',
  stateFile: '--state-file',
} as const satisfies Partial<Record<keyof VerbOptions, string>>;

/**
 * The flags of direct mode, checked before anything is touched.
 * @returns null when none of them was given: there is a sidecar to be asked
 * @throws LastcallError `usage`; `config` for a restart or a reboot, which need what only a sidecar has
 */
export function readDirect(
  operation: OperationKind,
  options: VerbOptions,
  globals: Globals,
): DirectOptions | null {
  const { haproxy = [], server: servers = [] } = options;
  if (haproxy.length === 0) return refuseStray(options);
  refuseSidecarOptions(options, globals);
  if (servers.length === 0)
    throw usage('--haproxy needs --server BACKEND/SERVER', 'name the server that this node is');
  const stop = stopOf(options);
  if (operation === 'stop' && stop === null) {
    throw usage('stop has nothing to stop the app by', 'give --stop-pid or --stop-command, or use `drain`');
  }
  if (operation === 'restart') {
    throw new LastcallError(
      'config',
      'restart needs a start command, which only a configuration file can give',
      {
        next: 'set `app.start` and run the sidecar, or use `stop`, start the app, and use `ready`',
      },
    );
  }
  if (operation === 'reboot') {
    throw new LastcallError('config', 'reboot needs a sidecar: this process does not outlive the boot', {
      next: 'run the sidecar, or use `stop`, reboot the machine, and use `ready`',
    });
  }
  return directOf(options, haproxy, stop);
}

/**
 * The flags of `status` without a sidecar.
 * @returns null when none of them was given; `servers` is empty where none was named: those of the one HAProxy are meant
 * @throws LastcallError `usage`
 */
export function readDirectStatus(options: Omit<VerbOptions, 'wait'>, globals: Globals): DirectOptions | null {
  const { haproxy = [], server: servers = [] } = options;
  const given = { ...options, wait: true };
  if (haproxy.length === 0) return refuseStray(given);
  refuseSidecarOptions(given, globals);
  if (servers.length === 0 && haproxy.length > 1)
    throw usage('several --haproxy need --server BACKEND/SERVER', 'name the server that this node is');
  return directOf(given, haproxy, null);
}

/** What `doctor` is given without a file: the words of a drain or a stop without a sidecar. */
export interface DirectDoctor {
  readonly options: DirectOptions;
  readonly ignoreServers: readonly string[];
}

/**
 * The flags of `doctor` without a file and a sidecar.
 * @returns null when none of them was given
 * @throws LastcallError `usage`
 */
export function readDirectDoctor(options: Omit<VerbOptions, 'wait'>, globals: Globals): DirectDoctor | null {
  const { haproxy = [], server: servers = [], ignoreServer: ignoreServers = [] } = options;
  const given = { ...options, wait: true };
  if (haproxy.length === 0 && ignoreServers.length > 0)
    throw usage('--ignore-server needs --haproxy', 'write it below `ignoreServers` of the file');
  if (haproxy.length === 0) return refuseStray(given);
  refuseSidecarOptions(given, globals);
  if (servers.length === 0)
    throw usage(
      '--haproxy needs --server BACKEND/SERVER',
      'see `lastcall status --haproxy ADDR` for its servers',
    );
  for (const name of ignoreServers) assertValid('--ignore-server', name, serverNameProblem(name));
  return { options: directOf(given, haproxy, stopOf(given)), ignoreServers };
}

/** @throws LastcallError `usage` for a flag of direct mode without `--haproxy` */
function refuseStray(options: VerbOptions): null {
  const stray = Object.entries(DIRECT_FLAGS).find(([key]) => options[key as keyof VerbOptions] !== undefined);
  if (stray === undefined) return null;
  throw usage(`${stray[1]} needs --haproxy`, 'name the HAProxy socket, or leave both to the sidecar');
}

function directOf(options: VerbOptions, haproxy: readonly string[], stop: DirectStop | null): DirectOptions {
  const { server: servers = [] } = options;
  for (const address of haproxy) assertValid('--haproxy', address, balancerAddressProblem(address));
  for (const name of servers) assertValid('--server', name, serverNameProblem(name));
  assertOnce('--server', servers);
  assertOnce('--haproxy', haproxy);
  return {
    haproxy,
    masters: mastersOf(options, haproxy),
    tls: tlsOf(options, haproxy),
    servers,
    sessions: sessionsOf(options),
    stop,
    health:
      options.health === undefined
        ? null
        : assertValid('--health', options.health, urlProblem(options.health)),
    quietMs: durationOf('--quiet-for', options.quietFor),
    sticky: options.notSticky === true ? false : 'auto',
    keep: keepOf(options),
    unreachable: options.unreachable ?? null,
    reloadGraceMs: durationOf('--reload-grace', options.reloadGrace),
    stateFiles: stateFilesOf(options, haproxy),
  };
}

function refuseSidecarOptions({ wait, expires }: VerbOptions, { socket, config }: Globals): void {
  if (socket !== undefined || config !== undefined) {
    throw usage(
      `--haproxy goes without ${socket === undefined ? '--config' : '--socket'}`,
      'leave one of the two out',
    );
  }
  if (!wait) throw usage('--no-wait needs a sidecar', 'without one this command does the work itself');
  if (expires !== undefined)
    throw usage('--expires needs a sidecar', 'a process must still run to undo the drain');
}

/** A master belongs to one HAProxy: they are matched by their order. */
function mastersOf({ master: masters = [] }: VerbOptions, haproxy: readonly string[]): readonly string[] {
  for (const address of masters) assertValid('--master', address, masterAddressProblem(address));
  const isMaster = (address: string): boolean => haproxy.map(plainAddress).includes(plainAddress(address));
  const same = masters.find(isMaster);
  if (same !== undefined)
    throw usage(`--master ${same} is the address of --haproxy`, 'name the master CLI (haproxy -S)');
  if (masters.length === 0 || masters.length === haproxy.length) return masters;
  throw usage('--master goes once with each --haproxy, in the same order', 'name all of them, or none');
}

export function tlsOf(
  { tlsCa: ca, tlsCert: cert, tlsKey: key }: VerbOptions,
  haproxy: readonly string[],
): DirectOptions['tls'] {
  const encrypted = haproxy.some((address) => address.startsWith('tls://'));
  if (encrypted && ca !== undefined && cert !== undefined && key !== undefined) return { ca, cert, key };
  if (!encrypted && ca === undefined && cert === undefined && key === undefined) return null;
  throw usage(
    '--tls-ca, --tls-cert and --tls-key go together, with --haproxy tls://',
    'give all three, or another address',
  );
}

function sessionsOf({ sessions, sessionsJson }: VerbOptions): DirectOptions['sessions'] {
  if (sessions === undefined) {
    if (sessionsJson !== undefined)
      throw usage('--sessions-json needs --sessions URL', 'give the URL of the JSON');
    return null;
  }
  assertValid('--sessions', sessions, urlProblem(sessions));
  if (sessionsJson !== undefined) assertValid('--sessions-json', sessionsJson, pointerProblem(sessionsJson));
  return { url: sessions, json: sessionsJson ?? null };
}

function stopOf({ stopPid, stopCommand }: VerbOptions): DirectStop | null {
  if (stopPid !== undefined && stopCommand !== undefined) {
    throw usage('--stop-pid and --stop-command exclude each other', 'leave one of the two out');
  }
  if (stopCommand !== undefined) return { kind: 'command', command: splitShellWords(stopCommand) };
  if (stopPid === undefined) return null;
  if (!/^-?\d*$/.test(stopPid)) return { kind: 'pidFile', path: stopPid };
  const pid = Number(stopPid);
  assertValid(
    '--stop-pid',
    stopPid,
    stopPid !== '' && pid > 1 && pid <= MAX_PID ? undefined : 'is not the pid of an app',
  );
  return { kind: 'pid', pid };
}

/** In milliseconds, `0s` allowed; null where the flag was not given. */
function durationOf(flag: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const read = parseDuration(text, 'zero');
  if (!read.ok) throw usage(`${flag}: ${read.message}`, 'see `lastcall VERB --help`');
  return read.ms;
}

function keepOf({ keep }: VerbOptions): number | null {
  if (keep === undefined) return null;
  const { least, most, why } = BOUNDS['drain.keep'];
  const isCount = /^\d{1,16}$/.test(keep);
  const problem = isCount
    ? `is more than ${most}: ${why}`
    : `is not a number of servers, write one from ${least} to ${most}`;
  return Number(assertValid('--keep', keep, isCount && Number(keep) <= most ? undefined : problem));
}

/** As for masters: a file belongs to one HAProxy, matched by their order. */
function stateFilesOf({ stateFile: files = [] }: VerbOptions, haproxy: readonly string[]): readonly string[] {
  for (const file of files) assertValid('--state-file', file, pathProblem(file));
  if (files.length === 0 || files.length === haproxy.length) return files;
  throw usage('--state-file goes once with each --haproxy, in the same order', 'name all of them, or none');
}

/** Two of one address, or of one server, would be counted and set twice. */
function assertOnce(flag: '--haproxy' | '--server', values: readonly string[]): void {
  const plain = flag === '--haproxy' ? values.map(plainAddress) : values;
  const twice = values.find((_value, index) => plain.indexOf(plain[index] ?? '') < index);
  if (twice !== undefined) throw usage(`${flag} ${twice} is given twice`, 'name each of them once');
}

function assertValid(flag: string, value: string, problem: string | undefined): string {
  if (problem === undefined) return value;
  throw usage(`${flag} ${JSON.stringify(value)} ${problem}`, 'see `lastcall VERB --help`');
}

function usage(message: string, next: string): LastcallError {
  return new LastcallError('usage', message, { next });
}
