import { runSystemd } from '../../app/systemd-unit.ts';
import type { Clock } from '../../system/clock.ts';
import { LastcallError } from '../../system/error.ts';
import { endingOf } from '../../system/run-command.ts';
import type { UnitExamined } from '../examination.ts';

/** One unit of this machine's systemd, by its properties (systemctl show). */

const SHOWN = 'LoadState,Type,User,TimeoutStopUSec,ExecStart,ExecStop,PrivateTmp,ProtectHome';

/** @throws LastcallError `failed` where systemd does not answer, or has no such unit */
export async function readUnit(
  name: string,
  ports: { readonly clock: Clock; readonly searchPath: string | undefined },
  signal: AbortSignal,
): Promise<UnitExamined> {
  const words = ['systemctl', '--system', 'show', `--property=${SHOWN}`, '--', name];
  const result = await runSystemd(words, ports, signal);
  if (result.exitCode !== 0 || result.timedOut)
    throw failed(name, `systemd does not report ${name}: ${endingOf(result)}`);
  const properties: Record<string, string> = {};
  for (const line of result.stdout.split('\n')) {
    const at = line.indexOf('=');
    const key = line.slice(0, Math.max(0, at));
    // One line for each command of ExecStop.
    if (key !== '') properties[key] = [properties[key] ?? [], line.slice(at + 1)].flat().join('\n');
  }
  if (properties['LoadState'] !== 'loaded') throw failed(name, `systemd has no ${name}`);
  return { name, properties };
}

function failed(target: string, message: string): LastcallError {
  return new LastcallError('failed', message, { target });
}
