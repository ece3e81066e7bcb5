import { afterAll, beforeAll, expect, test } from '@jest/globals';
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
