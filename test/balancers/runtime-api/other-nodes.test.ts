import { afterEach, expect, test } from '@jest/globals';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import { until } from '../../support/until.ts';

const CONFIG =
  'defaults\n  mode http\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s\n' +
  'backend app\n  server app1 127.0.0.1:1\n  server app2 127.0.0.1:1\n  server app3 127.0.0.1:1 check inter 100ms fall 1\n  server app4 127.0.0.1:1 disabled\n';

let haproxy: Haproxy | undefined;
afterEach(() => haproxy?.stop());

test('The servers of another node are read with their admin state, also where DOWN hides it', async () => {
  const running = await startHaproxy(CONFIG);
  haproxy = running;
  const options = { address: running.socket, servers: ['app/app1'], timeoutMs: 5_000 };
  const balancer = createRuntimeBalancer(options, { clock: realClock });
  const read = async (...servers: readonly string[]): Promise<readonly (readonly string[])[]> => {
    const views = (await balancer.readServers?.(servers, never)) ?? [];
    return views.map(({ name, admin, operational, absent }) => [
      name,
      absent === undefined ? admin : 'absent',
      operational,
    ]);
  };
  await until('the check fails', async () => (await running.command('show stat')).includes('DOWN'));
  const down = ['app/app3', 'ready', 'down'];
  expect(await read('app/app2', 'app/app3', 'app/app4')).toEqual([
    ['app/app2', 'ready', 'up'],
    down,
    ['app/app4', 'maint', 'down'],
  ]);
  await running.command('set server app/app3 state drain');
  await running.command('set server app/app2 weight 0');
  expect(await read('app/app3', 'app/app2', 'app/app9')).toEqual([
    ['app/app3', 'drain', 'down'],
    ['app/app2', 'drain', 'up'],
    ['app/app9', 'absent', 'down'],
  ]);
  expect(await refusalOf(async () => balancer.readServers?.(['app/app2;shutdown'], never))).toMatchObject({
    code: 'config',
  });
});
