import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { Diagnosis } from '../../agent/doctor/diagnosis.ts';
import { TRAPS } from '../../agent/doctor/table.ts';
import { type CommandOutcome, lastcall } from '../support/cli.ts';
import { startTinyApp, type TinyApp } from '../support/doctor.ts';
import { openRig, type Rig } from '../support/rig.ts';

/** `lastcall doctor --haproxy`: no file, no sidecar, and nothing is changed. */

let other: TinyApp;
let rig: Rig;
beforeEach(async () => {
  other = await startTinyApp();
  rig = await openRig({ others: `  server app2 127.0.0.1:${other.port} cookie app2\n` });
});
afterEach(async () => {
  await rig.close();
  await other.close();
});

const doctor = (...words: readonly string[]): Promise<CommandOutcome> =>
  lastcall(['doctor', '--haproxy', rig.haproxy.socket, ...words]).outcome;
const diagnosisOf = ({ stdout }: CommandOutcome): Diagnosis => JSON.parse(stdout) as Diagnosis;
const idsOf = ({ traps }: Diagnosis): string[] => traps.map(({ id }) => id);

test('Without a file it says what a drain by the same words meets, and the cure in these words', async () => {
  const before = await rig.states();
  const outcome = await doctor('--server', 'app/app1', '--json');
  expect({ code: outcome.code, stderr: outcome.stderr }).toEqual({ code: 1, stderr: '' });
  const seen = diagnosisOf(outcome);
  expect(seen).toMatchObject({ ok: false, code: 'failed', node: 'app/app1' });
  const uncounted = seen.traps.find(({ id }) => id === 'uncounted');
  expect(uncounted?.fix).toMatch(/--sessions URL.*--not-sticky/);
  expect(idsOf(seen)).toEqual(expect.arrayContaining(['no-probe', 'no-state-file']));
  // None of these is possible without a file, and none of them was looked for.
  const ofFile = TRAPS.filter(({ ofFileOnly }) => ofFileOnly === true).map(({ id }) => id);
  expect(ofFile).toEqual(
    expect.arrayContaining(['no-sidecar', 'state-rights', 'lock-unread', 'start-fails']),
  );
  const named = [...idsOf(seen), ...seen.unseen.flatMap(({ ids }) => ids)];
  expect(named.filter((id) => ofFile.includes(id))).toEqual([]);
  expect(seen.looked).toBe(TRAPS.length - ofFile.length);
  expect(await rig.states()).toBe(before);
});

test('Nothing breaks the promise where the words count users, stop and probe; a file of HAProxy is read too', async () => {
  const words = ['--sessions', `${rig.node.url}/sessions`, '--health', `${rig.node.url}/health`];
  const stop = ['--stop-pid', rig.node.pidFile, '--server', 'app/app1'];
  const file = ['--haproxy-config', join(rig.haproxy.dir, 'haproxy.cfg')];
  const whole = await doctor(...words, ...stop, ...file, '--json');
  const seen = diagnosisOf(whole);
  expect(seen.traps.filter(({ severity }) => severity === 'breaks')).toEqual([]);
  expect({ code: whole.code, ok: seen.ok }).toEqual({ code: 0, ok: true });
  expect(idsOf(seen)).not.toContain('no-probe');
  expect(seen.unseen.map(({ why }) => why).join()).not.toContain('--haproxy-config');
  const { code, stdout } = await doctor(...words, ...stop);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^app\/app1: nothing breaks the promise, /m);
  expect((await doctor(...words, ...stop, '--quiet')).stdout).toBe('');
  const wrong = await doctor('--server', 'app/app1', '--sessions', `${rig.node.url}/nowhere`, '--json');
  expect(diagnosisOf(wrong).traps.find(({ id }) => id === 'source-unread')?.fix).toContain('--sessions');
});

test('What cannot be asked is a trap with its code; wrong words are 64', async () => {
  const absent = await doctor('--server', 'app/app9', '--json');
  expect(absent.code).toBe(1);
  const missing = diagnosisOf(absent).traps.find(({ id }) => id === 'no-such-server');
  expect(missing?.found.join()).toContain('it has app1, app2');
  expect(missing?.fix).toContain('--server');
  const none = join(rig.dir, 'none.sock');
  const away = await lastcall(['doctor', '--haproxy', none, '--server', 'app/app1', '--json']).outcome;
  expect(away.code).toBe(69);
  expect(idsOf(diagnosisOf(away))[0]).toBe('unreachable');
  const misused = [
    [['--haproxy', none], '--haproxy needs --server'],
    [['--server', 'app/app1'], '--server needs --haproxy'],
    [['--ignore-server', 'app/app1'], '--ignore-server needs --haproxy'],
    [['--haproxy', none, '--server', 'app1'], '--server "app1"'],
    [['--haproxy', none, '--server', 'app/app1', '--ignore-server', 'x;y'], '--ignore-server "x;y"'],
    [['--haproxy', none, '--server', 'app/app1', '-c', 'x.yaml'], '--haproxy goes without --config'],
  ] as const;
  for (const [words, text] of misused)
    expect(await lastcall(['doctor', ...words]).outcome).toMatchObject({
      code: 64,
      stdout: '',
      stderr: expect.stringContaining(text),
    });
});

test('With --live it tries a drain, and puts back what was found', async () => {
  const before = await rig.states();
  const { code, stdout } = await doctor('--server', 'app/app1', '--not-sticky', '--live', rig.url, '--json');
  expect({ code, live: diagnosisOf({ code, stdout, stderr: '', signal: null }).live?.result }).toEqual({
    code: 0,
    live: 'proven',
  });
  expect(await rig.states()).toBe(before);
});
