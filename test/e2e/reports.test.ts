import { afterEach, expect, test } from '@jest/globals';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createJournal } from '../../agent/journal/journal.ts';
import { realClock } from '../../agent/system/clock.ts';
import { askHttp } from '../support/ask-http.ts';
import { freePort } from '../support/ports.ts';
import { findPromtool } from '../support/promtool.ts';
import { openRig, told, type Rig } from '../support/rig.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

test('a stop is in the metrics and in the audit log of the sidecar that did it, which only its owner reads', async () => {
  rig = await openRig();
  const port = await freePort();
  const audit = join(rig.dir, 'audit.log');
  const listen = { metrics: `127.0.0.1:${port}`, control: join(rig.dir, 'app1.sock') };
  const sidecar = await rig.sidecar({ sections: { listen, audit } });
  await sidecar.reaches('serving');
  const metrics = async (): Promise<string> => (await askHttp(port, { path: '/metrics' })).body;
  expect(await metrics()).toContain('lastcall_phase{phase="serving"} 1');
  expect(await metrics()).not.toMatch(/^lastcall_drain_age_seconds \d/m);

  const { json } = await told(sidecar.cli('stop', '--reason', 'deploy 41'));
  expect(json).toMatchObject({ ok: true, phase: 'stopped' });

  // The page of figures is made once a second.
  const after = await until('the page after the stop', async () => {
    const page = await metrics();
    return page.includes('lastcall_phase{phase="stopped"} 1\n') ? page : undefined;
  });
  for (const sample of [
    'lastcall_phase{phase="stopped"} 1',
    `lastcall_balancer_up{balancer="unix:${rig.haproxy.socket}"} 1`,
    'lastcall_sessions{source="connections"} 0',
    'lastcall_operations_total{operation="stop",code="done"} 1',
    'lastcall_drain_seconds_count 1',
  ]) {
    expect(after).toContain(`${sample}\n`);
  }
  expect(after).toMatch(/^lastcall_drain_age_seconds \d/m);
  await sidecar.stop();
  const lines = (await readFile(audit, 'utf8')).trimEnd().split('\n');
  expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
    {
      event: 'begin',
      id: json.id,
      operation: 'stop',
      reason: 'deploy 41',
      by: expect.stringMatching(/^cli /),
    },
    { event: 'end', id: json.id, operation: 'stop', code: 'done', phase: 'stopped', forced: 0 },
  ]);
  expect((await stat(audit)).mode & 0o777).toBe(0o600);

  const promtool = await findPromtool();
  if ('missing' in promtool) return skipped(promtool.missing);
  expect(await promtool.run(['check', 'metrics'], after)).toEqual({ code: 0, output: '' });
}, 180_000);

test('a scheduled drain that the guard refuses is in the log, in the metrics and in the audit log; one that is not due is in the first two', async () => {
  rig = await openRig();
  const port = await freePort();
  const audit = join(rig.dir, 'audit.log');
  const due = join(rig.dir, 'due');
  const listen = { metrics: `127.0.0.1:${port}`, control: join(rig.dir, 'app1.sock') };
  const entry = { cron: '* * * * * *', do: 'drain', reason: 'night', when: { file: due } };
  const sidecar = await rig.sidecar({
    sections: { listen, audit, schedule: [entry], drain: { keep: 5, quiet: '0s' } },
  });
  await sidecar.reaches('serving');
  const metrics = async (): Promise<string> => (await askHttp(port, { path: '/metrics' })).body;
  await until('it was not due', () => sidecar.log().includes(`why="${due} is not there"`));
  await until('that is counted', async () =>
    (await metrics()).includes('lastcall_schedule_runs_total{do="drain",outcome="not-due"} '),
  );
  expect(await stat(audit)).toMatchObject({ size: 0 });
  await writeFile(due, '');
  await until('it is refused', () => /was refused or has failed .*code=guard/.test(sidecar.log()));
  await until('that is counted', async () =>
    (await metrics()).includes('lastcall_schedule_runs_total{do="drain",outcome="guard"} '),
  );
  await sidecar.stop();
  const [asked, ended] = (await readFile(audit, 'utf8'))
    .split('\n')
    .map((line) => JSON.parse(line || '{}') as object);
  expect(asked).toMatchObject({ event: 'refused', operation: 'drain', by: 'schedule', reason: 'night' });
  expect(ended).toMatchObject({ event: 'end', operation: 'drain', code: 'guard' });
}, 60_000);

test('a run of the calendar that came while no sidecar ran is in the log, in the audit log and in the status of the next one', async () => {
  rig = await openRig();
  const [state, audit] = ['app1.json', 'audit.log'].map((name) => join(rig?.dir ?? '', name)) as [
    string,
    string,
  ];
  const entry = { cron: '0 4 1 1 *', timezone: 'UTC', do: 'restart', reason: 'yearly' };
  const next = Date.parse('2026-01-01T04:00:00Z');
  // What the sidecar before has left.
  await createJournal(`${state}.runs`, { node: 'app1' }, realClock).save({
    'restart 0 4 1 1 * UTC': { next },
  });
  const sidecar = await rig.sidecar({ sections: { state, audit, schedule: [entry] } });
  await sidecar.reaches('serving');
  expect(sidecar.log()).toContain('a scheduled operation was missed');
  const { stdout } = await sidecar.plain('status').outcome;
  expect(stdout).toContain('ALARM the scheduled restart of 2026-01-01T04:00:00.000Z (yearly) was missed');
  await sidecar.stop();
  expect(JSON.parse((await readFile(audit, 'utf8')).trimEnd())).toMatchObject({
    event: 'missed',
    operation: 'restart',
    by: 'schedule',
    reason: 'yearly',
    due: '2026-01-01T04:00:00.000Z',
  });
  const again = await rig.sidecar({ sections: { state, audit, schedule: [entry] } });
  await again.reaches('serving');
  expect(again.log()).not.toContain('was missed');
  expect((await readFile(audit, 'utf8')).trimEnd().split('\n')).toHaveLength(1);
}, 60_000);
