import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../agent/system/error.ts';
import { type Agent, openRig, patience, type Rig, told } from '../support/rig.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';
import { recordAt } from '../support/state-file.ts';

const run = promisify(execFile);
const BLOCK = 4096;
const BLOCKS = 16;

let rig: Rig | undefined;
let temp: TempDir;
/** A file system of 64 KiB of its own. */
let disk: string;
/** The state file on it. */
let state: string;
let mounted: boolean;

beforeEach(async () => {
  temp = await makeTempDir();
  disk = temp.path;
  state = join(disk, 'app1.json');
  mounted = await mount();
});
afterEach(async () => {
  try {
    // First the processes that may have a file open there.
    await rig?.close();
  } finally {
    rig = undefined;
    // Lazily: it is gone from here even where a process still holds it.
    if (mounted) await run('umount', ['--lazy', disk]);
    await temp.remove();
  }
});

/** Only root may mount; elsewhere the test reports that it did not run. */
async function mount(): Promise<boolean> {
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${BLOCKS * BLOCK},mode=0700`, 'none', disk]);
    return true;
  } catch (error) {
    skipped(`no mount here (${messageOf(error)})`);
    return false;
  }
}

async function fill(): Promise<void> {
  const tooMuch = Buffer.alloc((BLOCKS + 1) * BLOCK);
  await expect(writeFile(join(disk, 'filler'), tooMuch)).rejects.toMatchObject({ code: 'ENOSPC' });
}

/** What befalls the disk, how it is mended, and the operation that meets it. */
interface Ailment {
  readonly is: string;
  readonly befall: () => Promise<unknown>;
  readonly mend: () => Promise<unknown>;
  readonly verb: string;
  readonly phase: 'drained' | 'stopped';
}

const FULL: Ailment = {
  is: 'full',
  befall: fill,
  mend: () => rm(join(disk, 'filler')),
  verb: 'drain',
  phase: 'drained',
};
const READ_ONLY: Ailment = {
  is: 'read-only',
  befall: () => run('mount', ['-o', 'remount,ro', disk]),
  mend: () => run('mount', ['-o', 'remount,rw', disk]),
  verb: 'stop',
  phase: 'stopped',
};

/** All is written, to HAProxy and to disk, and the drain waits for its user: no save is on its way. */
async function untilDrainIsOnDisk(): Promise<void> {
  await until('the record knows that DRAIN was read back', () => {
    const [balancer] = Object.values(recordAt(state)?.balancers ?? {});
    return balancer?.servers['app/app1']?.told?.admin === 'drain';
  });
}

/** The end is reported before it is on disk; a crash in between would only come to it once more. */
async function untilEndIsOnDisk(phase: string): Promise<void> {
  await until(`the record says ${phase}`, () => {
    const record = recordAt(state);
    return record?.phase === phase && record.op === null;
  });
}

async function untilNoAlarm(agent: Agent): Promise<void> {
  for await (const { event, data } of agent.client.events(patience())) {
    if (event === 'status' && data.alarms.length === 0) return;
  }
  throw new Error(`the sidecar ended with its alarm:\n${agent.log()}`);
}

describe.each([FULL, READ_ONLY])('The disk of the state file is $is', ({ befall, mend, verb, phase }) => {
  test(`before a ${verb}: 73 and nothing is started; once it is mended, the ${verb} goes through`, async () => {
    if (!mounted) return;
    rig = await openRig({ termMs: 0 });
    const agent = await rig.sidecar({ sections: { state } });
    await agent.reaches('serving');
    await befall();
    const before = await rig.states();
    const refused = await told(agent.cli(verb));
    expect(refused).toMatchObject({ code: 73, json: { ok: false, code: 'state-write', phase: 'serving' } });
    expect(refused.stderr).toContain('nothing was started');
    expect(await rig.states()).toBe(before);
    // Nor was it for a moment: HAProxy tells every change of a server.
    expect(rig.haproxy.log()).not.toContain('app/app1');
    expect(await rig.terms()).toBe(0);
    expect(await agent.client.status(patience())).toMatchObject({ phase: 'serving', operation: null });
    expect(recordAt(state)).toBeNull();

    await mend();
    expect(await told(agent.cli(verb))).toMatchObject({ code: 0, json: { phase } });
    await untilEndIsOnDisk(phase);
  });

  test(`in the middle of a ${verb}: it goes on with an alarm, which ends by itself once the disk is mended`, async () => {
    if (!mounted) return;
    rig = await openRig({ termMs: 0 });
    const agent = await rig.sidecar({ sections: { state } });
    const visitor = await rig.signIn();
    const { json } = await told(agent.cli(verb, '--no-wait'));
    await untilDrainIsOnDisk();
    await befall();
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    await visitor.leave();
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, code: 'done', phase });
    expect((await agent.client.status(patience())).alarms).toEqual([
      expect.stringContaining('could not be written'),
    ]);
    expect(await rig.admin()).toBe('MAINT');
    expect(recordAt(state)?.phase).toBe('draining');

    await mend();
    await untilNoAlarm(agent);
    await untilEndIsOnDisk(phase);
    await agent.kill();
    const next = await (await rig.sidecar({ sections: { state } })).reaches(phase);
    expect(next).toMatchObject({ operation: null, alarms: [] });
    expect(next.balancers[0]?.servers[0]).toMatchObject({ admin: 'maint', owner: 'lastcall' });
    expect(await rig.admin()).toBe('MAINT');
  });
});

test('The disk turns read-only during a drain, and the sidecar is killed: the next one starts all the same and ends it', async () => {
  if (!mounted) return;
  rig = await openRig();
  const agent = await rig.sidecar({ sections: { state } });
  const visitor = await rig.signIn();
  const { json } = await told(agent.cli('drain', '--no-wait'));
  await untilDrainIsOnDisk();
  await READ_ONLY.befall();
  await agent.kill();
  const next = await rig.sidecar({ sections: { state } });
  await next.reaches('draining');
  expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
  await visitor.leave();
  expect(await next.ends(json.id)).toMatchObject({ ok: true, code: 'done', phase: 'drained' });
  const { alarms, balancers } = await next.client.status(patience());
  expect(alarms).toEqual([expect.stringContaining('could not be written')]);
  expect(balancers[0]?.servers[0]).toMatchObject({ admin: 'maint', owner: 'lastcall' });
});

test('The disk of the audit log is full: no operation is stopped, the log tells it, and it is written again', async () => {
  if (!mounted) return;
  rig = await openRig();
  const audit = join(disk, 'audit.log');
  // A little room is left in its last block, so that the first record is cut.
  await writeFile(audit, `${'x'.repeat(BLOCK - 50)}\n`);
  await fill();
  const agent = await rig.sidecar({ sections: { audit } });
  const drained = await told(agent.cli('drain', '--reason', 'deploy 41'));
  expect(drained).toMatchObject({ code: 0, json: { code: 'done', phase: 'drained' } });
  for (const event of ['begin', 'end']) {
    await until(`the log has the ${event}`, () =>
      agent
        .log()
        .split('\n')
        .some((line) =>
          [event, drained.json.id, 'the audit log could not be written'].every((word) => line.includes(word)),
        ),
    );
  }

  await rm(join(disk, 'filler'));
  const ready = await told(agent.cli('ready'));
  expect(ready).toMatchObject({ code: 0, json: { phase: 'serving' } });
  await agent.stop();
  const lines = (await readFile(audit, 'utf8')).trimEnd().split('\n');
  // What was before, the cut record on a line of its own, and then whole ones.
  expect(lines).toHaveLength(4);
  expect(lines.slice(-2).map((line): unknown => JSON.parse(line))).toMatchObject([
    { event: 'begin', id: ready.json.id, operation: 'ready' },
    { event: 'end', id: ready.json.id, operation: 'ready', code: 'done' },
  ]);
});
