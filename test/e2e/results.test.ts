import { afterEach, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askHttp } from '../support/ask-http.ts';
import { freePort } from '../support/ports.ts';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { recordAt } from '../support/state-file.ts';

let rig: Rig;
afterEach(() => rig.close());

test('An operation that has ended is not in doubt for who asks a sidecar of after a kill -9', async () => {
  rig = await openRig();
  const first = await rig.sidecar();
  await first.reaches('serving');
  const { json } = await told(first.cli('drain', '--no-wait'));
  const state = join(rig.dir, 'app1.json');
  await until('the end is on disk', () => {
    const record = recordAt(state);
    return record?.phase === 'drained' && JSON.stringify(record).includes(json.id) === false;
  });
  await first.kill();
  const second = await rig.sidecar();
  expect(await second.client.operation(json.id, patience())).toMatchObject({
    state: 'ended',
    result: { id: json.id, ok: true, code: 'done', phase: 'drained' },
  });
  await second.stop();
});

test('A caller who waits over a kill -9 learns how the operation ended, whenever it ended', async () => {
  rig = await openRig();
  const first = await rig.sidecar();
  await first.reaches('serving');
  const visitor = await rig.signIn();
  const running = first.cli('drain', '--timeout', '30s');
  await until('app1 is in DRAIN', async () => (await rig.admin()) === 'DRAIN');
  // Stopped, the client reads neither the end nor the death.
  running.child.kill('SIGSTOP');
  await first.kill();
  const second = await rig.sidecar();
  await second.reaches('draining');
  await visitor.leave();
  await second.reaches('drained');
  await until('the end is on disk', () => recordAt(join(rig.dir, 'app1.json'))?.phase === 'drained');
  await second.kill();
  const third = await rig.sidecar();
  running.child.kill('SIGCONT');
  expect(await told(running)).toMatchObject({ code: 0, json: { code: 'done', phase: 'drained' } });
  await third.stop();
});

test('A scheduled operation that is refused stands in the log, in the metrics and in the audit log', async () => {
  rig = await openRig();
  const metricsPort = await freePort();
  const audit = join(rig.dir, 'audit.log');
  const agent = await rig.sidecar({
    sections: {
      drain: { keep: 5, quiet: '0s' },
      schedule: [{ cron: '* * * * * *', do: 'drain', reason: 'weekly recycle' }],
      listen: { metrics: `127.0.0.1:${metricsPort}`, control: join(rig.dir, 'app1.sock') },
      audit,
    },
  });
  await until('the refusal is in the log', () => /warn .*drain was refused: guard/.test(agent.log()));
  expect(agent.log()).toMatch(/warn .*drain was refused: guard.*code=guard reason="weekly recycle"/);
  const { body } = await askHttp(metricsPort, { path: '/metrics' });
  expect(body).toMatch(/^lastcall_operations_total\{operation="drain",code="guard"\} [1-9]/m);
  await agent.stop();
  expect(await readFile(audit, 'utf8')).toMatch(/"event":"refused".*"by":"schedule"/);
});
