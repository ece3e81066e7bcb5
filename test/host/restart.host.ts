import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/until.ts';
import { openStock, type Stock } from './stock.ts';

let stock: Stock;
beforeAll(async () => {
  stock = await openStock('tomcat10');
  await stock.untilServing();
}, 120_000);
afterAll(() => stock?.box.close());

test('`systemctl restart tomcat10` costs no user anything, with ten new ones a second and sticky ones', async () => {
  const crowd = await stock.crowd();
  const before = await stock.box.sh('systemctl show -p MainPID --value tomcat10');
  expect(await stock.box.run(['systemctl', 'restart', 'tomcat10'])).toMatchObject({ code: 0, stderr: '' });
  expect(await stock.box.sh('systemctl show -p MainPID --value tomcat10')).not.toBe(before);
  await stock.untilServing();
  await stock.untilStatus('new users came', ({ sessions }) => (sessions.total ?? 0) > 5);
  const { failed, lost, failures, people, nodes } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  expect(people).toBeGreaterThan(150);
  expect(nodes['app1']?.requests).toBeGreaterThan(0);
});

test('`lastcall restart` of the user lastcall stops and starts tomcat10 by the shipped polkit rule, at no cost', async () => {
  const crowd = await stock.crowd();
  const before = await stock.box.sh('systemctl show -p MainPID --value tomcat10');
  const restart = await stock.lastcall('restart', '--json', '--reason', 'deploy 41');
  expect({ ...restart, result: JSON.parse(restart.stdout) as unknown }).toMatchObject({
    code: 0,
    result: { ok: true, code: 'done', phase: 'serving', forced: 0 },
  });
  expect(await stock.box.sh('systemctl show -p MainPID --value tomcat10')).not.toBe(before);
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  // In whole seconds, as Tomcat writes them: READY is not before the second probe of the new process.
  const ready = (await stock.journal('haproxy')).findLast(({ text }) =>
    text.includes('leaving forced maintenance'),
  );
  const began = await stock.box.sh('systemctl show -p ExecMainStartTimestamp --value tomcat10');
  const second = await until('Tomcat has written its access log', async () => {
    const log = await stock.box.sh('cat /var/log/tomcat10/localhost_access_log.*.txt');
    const probes = [
      ...log.matchAll(/\[(\d+)\/(\w+)\/(\d+):(\S+) (\S+)\] "GET \/health\?by=lastcall .*" 200 /g),
    ];
    const times = probes.map(([, day, month, year, time, zone]) =>
      Date.parse(`${day} ${month} ${year} ${time} ${zone}`),
    );
    return times.filter((at) => at > Date.parse(began.replace(/^\w+ /, '')))[1];
  });
  expect(ready?.at).toBeGreaterThanOrEqual(second);
});

test('Without the rule a stop is refused before anything is changed', async () => {
  await stock.untilServing();
  await stock.box.sh('rm /etc/polkit-1/rules.d/50-lastcall.rules && systemctl restart polkit');
  const { code, stderr } = await stock.lastcall('stop', '--reason', 'deploy 42');
  expect({ code, stderr }).toEqual({ code: 70, stderr: expect.stringContaining('tomcat10.service') });
  const { phase, balancers } = await stock.status();
  expect({ phase, admin: balancers[0]?.servers[0]?.admin }).toEqual({ phase: 'serving', admin: 'ready' });
});
