import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { until } from '../support/until.ts';
import { HEALTH_LOG, openStock, type Stock, TERM_LOG } from './stock.ts';

const ROUNDS = 20;
const RISE = 2;
let stock: Stock;
beforeAll(async () => {
  stock = await openStock('app1');
}, 120_000);
afterAll(() => stock?.box.close());
beforeEach(async () => {
  await stock.box.sh('systemctl start lastcall app1');
  await stock.untilServing();
});

const show = (unit: string, property: string): Promise<string> =>
  stock.box.sh(`systemctl show -p ${property} --value ${unit}`);

/** The last SIGTERM of the application: the sessions that it lost. */
const lostAtTerm = async (): Promise<number> =>
  Number((await stock.box.sh(`tail -n 1 ${TERM_LOG}`)).split(' ')[1]);

test('A stopped sidecar is started for the stop of the application, and its users are waited for', async () => {
  await stock.box.sh('systemctl stop lastcall');
  const crowd = await stock.crowd();
  await stock.box.sh('systemctl stop app1');
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  expect(await lostAtTerm()).toBe(0);
  expect(await show('app1', 'Result')).toBe('success');
});

test('A sidecar that cannot start is waited for, and the application lives on so long', async () => {
  await stock.box.sh('systemctl stop lastcall && systemctl mask --quiet --runtime lastcall');
  const crowd = await stock.crowd();
  const stop = stock.box.run(['systemctl', 'stop', 'app1']);
  await until('the drop-in waits for the sidecar', async () => {
    const lines = await stock.journal('app1');
    return lines.filter(({ text }) => text.includes('asking again')).length >= 2;
  });
  expect(await show('app1', 'ActiveState')).toBe('deactivating');
  expect(await stock.box.sh('curl -fsS http://127.0.0.1:8080/health || true')).toBe('OK');
  await stock.box.sh('systemctl unmask --quiet --runtime lastcall && systemctl start lastcall');
  expect(await stop).toMatchObject({ code: 0 });
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  expect(await lostAtTerm()).toBe(0);
});

test('An upgrade of the sidecar in the middle of a drain goes on with the same operation', async () => {
  const crowd = await stock.crowd(4, 600_000);
  const stop = stock.box.run(['systemctl', 'stop', 'app1']);
  const before = await stock.untilStatus('app1 drains', ({ phase }) => phase === 'draining');
  const pid = await show('lastcall', 'MainPID');
  await stock.box.sh(
    'rm -rf /usr/lib/node_modules/lastcall && cp -a /run/in/prefix/. /usr/ && systemctl restart lastcall',
  );
  expect(await show('lastcall', 'MainPID')).not.toBe(pid);
  const after = await stock.untilStatus('the drain goes on', ({ phase }) => phase === 'draining');
  expect(after.operation?.id).toBe(before.operation?.id);
  expect(await show('app1', 'ActiveState')).toBe('deactivating');
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  expect(await stop).toMatchObject({ code: 0 });
  expect(await lostAtTerm()).toBe(0);
});

test(`READY is set later than the begin of ${RISE} probes of the new process, in ${ROUNDS} rounds`, async () => {
  const margins: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await stock.box.sh('systemctl restart app1');
    await stock.untilServing();
    const ready = (await stock.journal('haproxy')).filter(({ text }) =>
      text.includes('leaving forced maintenance'),
    );
    const log = (await stock.box.sh(`cat ${HEALTH_LOG}`)).split('\n');
    const good = log.slice(log.lastIndexOf('started') + 1);
    expect(good.length).toBeGreaterThanOrEqual(RISE);
    margins.push((ready.at(-1)?.at ?? 0) - Number(good[RISE - 1]));
  }
  process.stderr.write(
    `READY after the second probe of the new process, in ms: ${margins.map(Math.round).join(' ')}\n`,
  );
  expect(Math.min(...margins)).toBeGreaterThan(0);
});

test('A sidecar that is killed and a HAProxy that is restarted in the middle of a stop are back at once', async () => {
  const crowd = await stock.crowd(4, 600_000);
  const stop = stock.box.run(['systemctl', 'stop', 'app1']);
  const before = await stock.untilStatus('app1 drains', ({ phase }) => phase === 'draining');
  await stock.box.sh('systemctl kill --kill-whom=main -s KILL lastcall');
  const after = await stock.untilStatus('the drain goes on', ({ phase }) => phase === 'draining');
  expect(after.operation?.id).toBe(before.operation?.id);
  // The caller is not kept waiting by the stop; the users who are on it see it, of course.
  expect(await stock.box.run(['timeout', '20', 'systemctl', 'restart', 'haproxy'])).toMatchObject({
    code: 0,
  });
  const { lost } = await crowd.leave();
  expect(lost).toBe(0);
  expect(await stop).toMatchObject({ code: 0 });
  expect(await lostAtTerm()).toBe(0);
});
