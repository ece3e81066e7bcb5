import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRebooter } from '../../agent/app/rebooter.ts';
import { realClock } from '../../agent/system/clock.ts';
import type { LastcallError } from '../../agent/system/error.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** How logind's and systemctl's answers are read; the real ones are in test/host/reboot.host.ts. */

const never = new AbortController().signal;
const NONE = '{"type":"a(ssssuu)","data":[[]]}';
const YES = '{"type":"s","data":["yes"]}';
let dir: TempDir;
beforeEach(async () => {
  dir = await makeTempDir();
});
afterEach(() => dir.remove());

interface Machine {
  readonly inhibitors?: string;
  readonly can?: string;
  /** Exit code of `busctl`. */
  readonly busctl?: number;
  /** Exit code of `systemctl reboot`. */
  readonly reboot?: number;
  readonly running?: string;
  /** Other nodes of it that are in service: what is answered each time, the last one again and again. */
  readonly others?: readonly (readonly string[])[];
}

/** Programs that answer so; each writes down how it was called. */
async function rebooterOf({
  inhibitors = NONE,
  can = YES,
  busctl = 0,
  reboot = 0,
  running = 'running',
  others = [],
}: Machine) {
  const program = (name: string, body: string): Promise<void> =>
    writeFile(join(dir.path, name), `#!/bin/sh\necho "${name} $*" >>${dir.path}/calls\n${body}\n`, {
      mode: 0o755,
    });
  await program(
    'busctl',
    `case "$*" in *ListInhibitors) printf %s '${inhibitors}';; *CanReboot) printf %s '${can}';; esac; exit ${busctl}`,
  );
  await program(
    'systemctl',
    `case "$*" in *is-system-running) echo ${running}; exit 1;; esac; echo 'Access denied' >&2; exit ${reboot}`,
  );
  const answers = [...others];
  return createRebooter(
    { clock: realClock, searchPath: `${dir.path}:${process.env['PATH'] ?? ''}` },
    async () => (answers.length > 1 ? answers.shift() : answers[0]) ?? [],
  );
}

const calls = async (): Promise<string[]> =>
  (await readFile(join(dir.path, 'calls'), 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('systemctl'));

const errorOf = (work: Promise<void>): Promise<LastcallError> =>
  work.then(
    () => Promise.reject(new Error('it has not failed')),
    (error: LastcallError) => error,
  );

function inhibited(...all: readonly (readonly string[])[]): string {
  return JSON.stringify({ type: 'a(ssssuu)', data: [all.map((one) => [...one, 0, 4711])] });
}

describe('The right to reboot', () => {
  test('is there where logind says yes and no shutdown is inhibited', async () => {
    const rebooter = await rebooterOf({});
    await expect(rebooter.check(never)).resolves.toBeUndefined();
  });

  test.each(['no', 'challenge', 'na', ''])('is missing where logind says "%s"', async (answer) => {
    const rebooter = await rebooterOf({ can: JSON.stringify({ type: 's', data: [answer] }) });
    expect(await errorOf(rebooter.check(never))).toMatchObject({
      code: 'not-permitted',
      target: 'systemd-logind',
      message: expect.stringContaining(`logind says ${answer}`),
      next: expect.stringContaining('51-lastcall-reboot.rules'),
    });
  });

  test.each([
    ['no JSON', { can: 'yes' }],
    ['another shape', { can: '{"data":"yes"}' }],
    ['no list of inhibitors', { inhibitors: '{"type":"s","data":["x"]}' }],
    ['an exit code', { busctl: 1 }],
  ] as const)('is missing where its answer is %s', async (_what, machine) => {
    const rebooter = await rebooterOf(machine);
    expect(await errorOf(rebooter.check(never))).toMatchObject({ code: 'not-permitted' });
  });

  test('is missing on a machine without busctl', async () => {
    const rebooter = createRebooter({ clock: realClock, searchPath: dir.path }, async () => []);
    expect(await errorOf(rebooter.check(never))).toMatchObject({
      code: 'not-permitted',
      message: expect.stringContaining('busctl'),
    });
  });
});

describe('A shutdown inhibitor', () => {
  test.each(['block', 'block-weak'])('of mode %s refuses, and is named', async (mode) => {
    const rebooter = await rebooterOf({
      inhibitors: inhibited(['shutdown:sleep', 'apt', 'Upgrading\u001b[31m packages', mode]),
    });
    const { code, message } = await errorOf(rebooter.check(never));
    expect(code).toBe('busy');
    expect(message).toContain('apt (Upgrading');
    expect(message).not.toContain('\u001b');
  });

  test('that only delays, or inhibits something else, does not', async () => {
    const rebooter = await rebooterOf({
      inhibitors: inhibited(
        ['shutdown', 'unattended-upgrades', 'stop', 'delay'],
        ['sleep:idle', 'someone', 'film', 'block'],
      ),
    });
    await expect(rebooter.check(never)).resolves.toBeUndefined();
  });

  test('that was taken after the check keeps the reboot from being asked for', async () => {
    const rebooter = await rebooterOf({ inhibitors: inhibited(['shutdown', 'apt', 'Upgrading', 'block']) });
    expect(await errorOf(rebooter.reboot(never))).toMatchObject({
      code: 'failed',
      message: expect.stringContaining('apt'),
    });
    expect(await calls()).toEqual([]);
  });
});

describe('The reboot', () => {
  test('is one `systemctl reboot`', async () => {
    const rebooter = await rebooterOf({});
    await rebooter.reboot(never);
    expect(await calls()).toEqual(['systemctl --system --no-ask-password --no-wall reboot']);
  });

  test('that systemctl refuses fails with what systemctl wrote', async () => {
    const rebooter = await rebooterOf({ reboot: 1 });
    expect(await errorOf(rebooter.reboot(never))).toMatchObject({
      code: 'failed',
      message: expect.stringContaining('Access denied'),
    });
  });

  test('counts as asked for where the machine is going down already', async () => {
    const rebooter = await rebooterOf({ reboot: 1, running: 'stopping' });
    await expect(rebooter.reboot(never)).resolves.toBeUndefined();
  });
});

describe('Another node of this machine that is in service', () => {
  test('refuses before anything is changed, and is named', async () => {
    const rebooter = await rebooterOf({ others: [['app2 is serving', 'app3 is draining']] });
    expect(await errorOf(rebooter.check(never))).toMatchObject({
      code: 'busy',
      message: expect.stringContaining('app2 is serving, app3 is draining'),
      next: expect.stringMatching(
        /`lastcall stop` .*one node of a machine has the `do: reboot`, and each other one a `do: drain` before it and a `do: ready` after it$/,
      ),
    });
  });

  test('that has come back meanwhile ends the reboot before systemctl is asked', async () => {
    const rebooter = await rebooterOf({ others: [[], ['app2 is serving']] });
    await rebooter.check(never);
    expect(await errorOf(rebooter.reboot(never))).toMatchObject({ code: 'failed' });
    expect(await calls()).toEqual([]);
  });
});
