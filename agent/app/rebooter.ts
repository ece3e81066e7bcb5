import { LastcallError } from '../system/error.ts';
import { printable } from '../system/printable.ts';
import { type CommandResult, endingOf } from '../system/run-command.ts';
import type { Rebooter } from './contracts.ts';
import { runSystemd, type UnitPorts } from './systemd-unit.ts';

/**
 * The reboot of this machine by its own systemd. systemd-logind says who may, and who holds it up (org.freedesktop.login1(5));
 * polkit decides for every user but root.
 */

const LOGIND = ['org.freedesktop.login1', '/org/freedesktop/login1', 'org.freedesktop.login1.Manager'];
const CALL = [
  'busctl',
  '--system',
  '--allow-interactive-authorization=no',
  '--json=short',
  'call',
  ...LOGIND,
];
const TARGET = 'systemd-logind';
/** Two nodes of one machine that are both to reboot it refuse each other for ever. */
const OTHERS_FIRST =
  '`lastcall stop` (or `drain`) on each of them first, then `lastcall reboot`; in `schedule:` one node of a machine has the `do: reboot`, and each other one a `do: drain` before it and a `do: ready` after it';

/**
 * @param ports where `busctl` and `systemctl` are looked up
 * @param nodesInService the other nodes of this machine that have users, or may have: none of them is asked to go by us
 */
export function createRebooter(
  ports: UnitPorts,
  nodesInService: (signal: AbortSignal) => Promise<readonly string[]>,
): Rebooter {
  /** Root's own `systemctl reboot` goes over each of them, so logind is asked who holds one. */
  const refuseInhibited = async (code: 'busy' | 'failed', signal: AbortSignal): Promise<void> => {
    const holders = holdersIn(await ask('ListInhibitors', ports, signal));
    if (holders.length === 0) return;
    throw new LastcallError(code, `a shutdown is inhibited by ${holders.join(', ')}`, {
      target: TARGET,
      elapsedMs: 0,
      next: 'wait until it has ended (`systemd-inhibit --list`), then `lastcall reboot`',
    });
  };
  const refuseOthers = async (code: 'busy' | 'failed', signal: AbortSignal): Promise<void> => {
    const others = await nodesInService(signal);
    if (others.length === 0) return;
    throw new LastcallError(
      code,
      `other nodes of this machine would go down with their users: ${others.join(', ')}`,
      {
        target: 'this machine',
        elapsedMs: 0,
        next: OTHERS_FIRST,
      },
    );
  };
  return {
    async check(signal) {
      signal.throwIfAborted();
      await refuseOthers('busy', signal);
      await refuseInhibited('busy', signal);
      const [answer] = await ask('CanReboot', ports, signal);
      if (answer !== 'yes')
        throw noRight(`lastcall's user may not reboot this machine: logind says ${shown(answer)}`);
    },
    async reboot(signal) {
      signal.throwIfAborted();
      await refuseOthers('failed', signal);
      await refuseInhibited('failed', signal);
      const words = ['systemctl', '--system', '--no-ask-password', '--no-wall', 'reboot'];
      const result = await runSystemd(words, ports, signal);
      // A call that was ended, by its deadline or with the machine, may have reached systemd.
      if (result.exitCode === 0 || result.exitCode === null || result.timedOut) return;
      if (await isGoingDown(ports, signal)) return;
      throw new LastcallError('failed', `systemctl reboot was refused: ${endingOf(result)}`, {
        target: TARGET,
        elapsedMs: result.elapsedMs,
        next: 'see `journalctl -u systemd-logind`',
      });
    },
  };
}

/** Only inhibitors that block: one that delays a shutdown for some seconds is left out. */
function holdersIn([list]: readonly unknown[]): string[] {
  if (!Array.isArray(list)) throw noRight('logind does not say who inhibits a shutdown');
  return list.flatMap((one: unknown) => {
    const [what, who, why, mode] = Array.isArray(one) ? one.map(String) : [];
    const holds = what?.split(':').includes('shutdown') === true && mode?.startsWith('block') === true;
    return holds ? [printable(`${who} (${why})`)] : [];
  });
}

/** @returns the values of logind's answer */
async function ask(method: string, ports: UnitPorts, signal: AbortSignal): Promise<readonly unknown[]> {
  const result = await run([...CALL, method], ports, signal);
  if (result.exitCode !== 0 || result.timedOut)
    throw noRight(`systemd-logind does not answer: ${endingOf(result)}`);
  try {
    const { data } = JSON.parse(result.stdout) as { readonly data?: unknown };
    if (Array.isArray(data)) return data;
  } catch {
    // The error is thrown below, as for any other answer of another form.
  }
  throw noRight(`systemd-logind's answer to ${method} is not understood: ${shown(result.stdout)}`);
}

async function run(argv: readonly string[], ports: UnitPorts, signal: AbortSignal): Promise<CommandResult> {
  try {
    return await runSystemd(argv, ports, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw noRight(
      `this machine's systemd cannot be asked: ${error instanceof Error ? error.message : 'unknown'}`,
    );
  }
}

/** A reboot that something else asked for is under way, or ours reached systemd all the same. */
async function isGoingDown(ports: UnitPorts, signal: AbortSignal): Promise<boolean> {
  const { stdout } = await runSystemd(['systemctl', '--system', 'is-system-running'], ports, signal);
  return stdout.trim() === 'stopping';
}

function noRight(what: string): LastcallError {
  return new LastcallError('not-permitted', what, {
    target: TARGET,
    elapsedMs: 0,
    next: 'let polkit allow it (deploy/polkit/51-lastcall-reboot.rules), and run lastcall on the machine itself',
  });
}

/** What was sent, short enough for one line. */
function shown(value: unknown): string {
  return printable(typeof value === 'string' ? value.trim().slice(0, 80) : typeof value);
}
