import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The machine of a node, as its sidecar sees it: the commands that reboot it, and which boot it is. */
export interface RebootableMachine {
  /** For a sidecar that is preloaded with kill-at-write.mjs: its `systemctl` and `busctl`, and the id of its boot. */
  readonly env: Readonly<Record<string, string>>;
  /** How often `systemctl reboot` was called so far. */
  reboots(): number;
  /** Resolves once there are more of them than so many; early where the signal says so. */
  untilMoreThan(before: number, signal: AbortSignal): Promise<void>;
  /** From now on it is another boot. The caller has ended what ran before. */
  boot(): void;
}

/** @param dir an existing directory: its programs and notes go to one of their own in it */
export async function makeMachine(dir: string): Promise<RebootableMachine> {
  const own = join(dir, 'machine');
  const [calls, bootId] = [join(own, 'calls'), join(own, 'boot-id')];
  const program = (name: string, body: string): Promise<void> =>
    writeFile(join(own, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  await mkdir(own);
  await writeFile(calls, '');
  await program(
    'busctl',
    `case "$*" in *ListInhibitors) echo '{"data":[[]]}';; *CanReboot) echo '{"data":["yes"]}';; esac`,
  );
  await program('systemctl', `echo "$*" >>${calls}`);
  const boot = (): void => writeFileSync(bootId, `${randomUUID()}\n`);
  boot();
  const reboots = (): number =>
    readFileSync(calls, 'utf8')
      .split('\n')
      .filter((line) => line.endsWith(' reboot')).length;
  return {
    env: { PATH: `${own}:${process.env['PATH'] ?? ''}`, LASTCALL_BOOT_ID: bootId },
    reboots,
    async untilMoreThan(before, signal) {
      while (!signal.aborted && reboots() <= before) await sleep(5);
    },
    boot,
  };
}
