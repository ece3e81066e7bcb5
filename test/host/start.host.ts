import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../support/until.ts';
import { openStock, type Stock } from './stock.ts';

let stock: Stock;
beforeAll(async () => {
  stock = await openStock('app1');
  await stock.untilServing();
}, 120_000);
afterAll(() => stock?.box.close());

const show = async (property: string): Promise<string> =>
  stock.box.sh(`systemctl show -p ${property} --value lastcall`);

describe('Under systemd a sidecar that cannot start is failed or started again, and never active', () => {
  // The application's port is one that is taken.
  test.each([
    ['agentCheck, taken', 'listen: { agentCheck: { address: 127.0.0.1:8080 } }', 75],
    ['health, taken', 'listen: { health: 127.0.0.1:8080 }', 75],
    ['metrics, taken', 'listen: { metrics: 127.0.0.1:8080 }', 75],
    ['metrics, an address of another machine', 'listen: { metrics: 192.0.2.1:7003 }', 78],
    ['metrics, a port of root', 'listen: { metrics: 127.0.0.1:81 }', 78],
    ['control, where nothing may be made', 'listen: { control: /srv/app1.sock }', 78],
    ['state, in a directory that is none', 'state: /etc/hostname/app1.json', 73],
    ['audit, in a directory that is none', 'audit: /etc/hostname/app1.log', 78],
    ['a file that is none', 'no-such-key: 1', 78],
  ])('%s', async (_what, line, exitCode) => {
    await stock.configure(line);
    await stock.box.sh('systemctl stop lastcall; systemctl reset-failed lastcall || true');
    await stock.box.run(['systemctl', 'start', '--no-block', 'lastcall']);
    const states = new Set<string>();
    const end = await until('the start has ended', async () => {
      const text = await stock.box.sh('systemctl show -p ActiveState -p SubState -p ExecMainStatus lastcall');
      const now = Object.fromEntries(text.split('\n').map((one) => one.split('=')));
      states.add(now['ActiveState'] ?? '');
      return ['failed', 'auto-restart'].includes(now['SubState'] ?? '') && now;
    });
    expect(states).not.toContain('active');
    expect(end['ExecMainStatus']).toBe(String(exitCode));
  });

  test('and starts once the port is free', async () => {
    await stock.configure('listen: { metrics: 127.0.0.1:8082 }');
    await stock.box.sh(
      'systemctl stop lastcall; systemd-run --quiet --unit=taker socat TCP-LISTEN:8082,bind=127.0.0.1,fork OPEN:/dev/null',
    );
    await stock.box.run(['systemctl', 'start', '--no-block', 'lastcall']);
    await until('it was started again', async () => Number(await show('NRestarts')) > 0);
    await stock.box.sh('systemctl stop taker');
    await stock.untilServing();
    await until('it is active', async () => (await show('ActiveState')) === 'active');
  });
});
