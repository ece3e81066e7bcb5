import type { ProcessIdentity } from '../lifecycle/model/observation.ts';
import type { Clock } from '../system/clock.ts';
import { isLastcallError, LastcallError } from '../system/error.ts';
import { cgroupOf, pidsOf, startTimeOf } from '../system/process.ts';
import { endingOf, runCommand, type CommandResult } from '../system/run-command.ts';

/**
 * One unit of this machine's systemd, asked by the programs that come with it. They speak over the system bus, where
 * polkit decides for every user but root.
 */

export interface UnitPorts {
  readonly clock: Clock;
  /** PATH of the environment, in which `systemctl` and `busctl` are looked up. */
  readonly searchPath: string | undefined;
}

/** The state of a unit, in systemd's terms (systemctl show). */
export interface UnitState {
  /** `loaded`, `not-found`, `masked`, `bad-setting`, ... */
  readonly load: string;
  /** `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`, `maintenance` */
  readonly active: string;
  readonly sub: string;
  /** How it ended last: `success`, `timeout`, `exit-code`, `signal`, ... */
  readonly result: string;
  /** Its main process; null = it has none now, or none that systemd can name. */
  readonly mainPid: number | null;
  /** Where its processes are: the group that systemd made, or the one that it would make. */
  readonly group: string;
  /** Something is queued or under way for it. */
  readonly hasJob: boolean;
}

export type UnitRole = 'stop' | 'start';

/** One question to systemd; it answers in some hundredths of a second. */
const ASK_MS = 5_000;
const MAX_OUTPUT_BYTES = 16 * 1024;
const SHOWN = 'LoadState,ActiveState,SubState,Result,MainPID,ControlGroup,Slice,Job';

/**
 * The unit's present state in systemd.
 * @param role sets the code of an error
 * @throws LastcallError `app-stop` or `app-health` when it does not answer; the signal's reason
 */
export async function unitState(
  unit: string,
  role: UnitRole,
  ports: UnitPorts,
  signal: AbortSignal,
): Promise<UnitState> {
  const words = ['systemctl', '--system', 'show', `--property=${SHOWN}`, '--', unit];
  const result = await ask(words, { unit, role, ...ports }, signal);
  if (result.exitCode !== 0 || result.timedOut)
    throw failure(unit, role, `systemd does not report ${unit}: ${endingOf(result)}`, NO_SYSTEMD);
  const lines = result.stdout.split('\n').map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  });
  const properties = new Map(lines);
  const get = (name: string): string => properties.get(name) ?? '';
  const mainPid = Number(get('MainPID'));
  return {
    load: get('LoadState'),
    active: get('ActiveState'),
    sub: get('SubState'),
    result: get('Result'),
    mainPid: Number.isSafeInteger(mainPid) && mainPid > 0 ? mainPid : null,
    group: get('ControlGroup') === '' ? `${pathOfSlice(get('Slice'))}/${unit}` : get('ControlGroup'),
    hasJob: get('Job') !== '' && get('Job') !== '0',
  };
}

const NO_SYSTEMD =
  'run lastcall on the machine whose systemd has this unit, or stop and start by another way';

/**
 * Asks for the right to stop or start the unit, and does neither: systemd authorises a call before it checks the
 * job mode, and these modes are valid with the other verb alone (tried with 252; pkcheck does not help, since a
 * rule gets no unit from it).
 * @throws LastcallError `app-stop` or `app-health` without that right; the signal's reason
 */
export async function askRight(
  unit: string,
  role: UnitRole,
  ports: UnitPorts,
  signal: AbortSignal,
): Promise<void> {
  // systemd asks polkit about nothing that root wants.
  if (process.getuid?.() === 0) return;
  const [method, mode] = role === 'stop' ? ['StopUnit', 'isolate'] : ['StartUnit', 'triggering'];
  const manager = [
    'org.freedesktop.systemd1',
    '/org/freedesktop/systemd1',
    'org.freedesktop.systemd1.Manager',
  ];
  const call = ['busctl', '--system', '--allow-interactive-authorization=no', 'call', ...manager];
  const result = await ask([...call, method, 'ss', unit, mode], { unit, role, ...ports }, signal);
  if (/(isolate|triggering) is only valid for (start|stop)/i.test(result.stderr)) return;
  // systemd before 249 has no such mode, and answers so before it authorises: whether lastcall may start the unit
  // is unknown.
  if (role === 'start' && /job mode triggering (is )?invalid/i.test(result.stderr)) return;
  const what = `not allowed to ${role} ${unit}: ${endingOf(result)}`;
  throw failure(unit, role, what, `let polkit allow it (deploy/polkit), or run lastcall as root`);
}

/**
 * Queues the job at systemd, which carries it out whether we live or not.
 * @throws LastcallError `app-stop` or `app-health` when it is refused; the signal's reason
 */
export async function queueJob(
  unit: string,
  role: UnitRole,
  ports: UnitPorts,
  signal: AbortSignal,
): Promise<void> {
  const words = ['systemctl', '--system', '--no-ask-password', '--no-block', role, '--', unit];
  const result = await ask(words, { unit, role, ...ports }, signal);
  if (result.exitCode === 0 && !result.timedOut) return;
  throw failure(
    unit,
    role,
    `cannot ${role} ${unit}: ${endingOf(result)}`,
    `see \`systemctl status ${unit}\``,
  );
}

/** The processes in the unit's control group, and below it. */
export function processesIn(group: string): ProcessIdentity[] {
  return pidsOf().flatMap((pid) => {
    const is = cgroupOf(pid).some((path) => path === group || path.startsWith(`${group}/`));
    const startTime = is ? startTimeOf(pid) : null;
    return startTime === null ? [] : [{ pid, startTime }];
  });
}

/** @param what went wrong with the unit */
export function failure(unit: string, role: UnitRole, what: string, next: string): LastcallError {
  return new LastcallError(role === 'stop' ? 'app-stop' : 'app-health', what, {
    target: unit,
    elapsedMs: 0,
    next,
  });
}

/** `a-b.slice` is below `a.slice` (systemd.slice(5)). */
function pathOfSlice(slice: string): string {
  const parts = slice.replace(/\.slice$/, '').split('-');
  if (slice === '' || slice === '-.slice') return '';
  return parts.map((_part, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('');
}

interface Question extends UnitPorts {
  readonly unit: string;
  readonly role: UnitRole;
}

async function ask(
  argv: readonly string[],
  { unit, role, ...ports }: Question,
  signal: AbortSignal,
): Promise<CommandResult> {
  try {
    return await runSystemd(argv, ports, signal);
  } catch (error) {
    if (!isLastcallError(error) || error.code !== 'failed') throw error;
    throw failure(unit, role, error.message, NO_SYSTEMD);
  }
}

/**
 * Runs a program that comes with systemd, in its own language and with a deadline of 5 s.
 * @throws LastcallError `failed` when it cannot be run; the signal's reason
 */
export function runSystemd(
  argv: readonly string[],
  { clock, searchPath }: UnitPorts,
  signal: AbortSignal,
): Promise<CommandResult> {
  const env = { LC_ALL: 'C.UTF-8', ...(searchPath === undefined ? {} : { PATH: searchPath }) };
  const options = { timeoutMs: ASK_MS, maxOutputBytes: MAX_OUTPUT_BYTES, env, endsGroup: true };
  return runCommand(argv, options, { clock, signal });
}
