import { writeFile } from 'node:fs/promises';
import type { SignalStopConfig } from '../../agent/config/config.ts';
import { createStopper } from '../../agent/app/create.ts';
import type { NamingPorts } from '../../agent/app/named-process.ts';
import type { Stopper } from '../../agent/app/contracts.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { naming } from './naming.ts';
import { fixture, type Present } from './fixture-reports.ts';
import { pidFile, roll } from './stopper-fixtures.ts';
import { spawnQuiet } from './spawn-quiet.ts';

/** Applications that a signal stops. */

export const stopperOf = (
  config: Partial<SignalStopConfig>,
  clock: Clock = realClock,
  known: Partial<NamingPorts> = {},
): Stopper =>
  createStopper(
    { kind: 'signal', name: 'SIGTERM', pidFile: null, pid: null, killAfterMs: 30_000, ...config },
    { ...naming(clock), ...known, searchPath: undefined },
  );

export const app = async (name: string, ...args: readonly (string | number)[]): Promise<Present> => {
  spawnQuiet(fixture(name, roll.port, ...args));
  return roll.next();
};

export const appWithFile = async (name: string, ...args: readonly (string | number)[]): Promise<Present> => {
  const present = await app(name, ...args);
  await writeFile(pidFile, `${present.pid}\n`);
  return present;
};
