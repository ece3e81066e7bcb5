import { afterEach, describe, expect, test } from '@jest/globals';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import { never, refusalOf } from '../../support/outcome.ts';

const DEFAULTS = 'defaults\n  mode http\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s\n';
const other = 'backend other\n  server x 127.0.0.1:2\n';
const app = 'backend app\n  server app1 127.0.0.1:1\n  server app2 127.0.0.1:1\n';

let haproxy: Haproxy | undefined;
afterEach(() => haproxy?.stop());

const open = async (config: string, ...servers: readonly string[]) => {
  const running = await startHaproxy(DEFAULTS + config, { master: true });
  haproxy = running;
  const options = { address: running.socket, servers, timeoutMs: 5_000 };
  const balancer = createRuntimeBalancer(options, { clock: realClock });
  const shown = async (): Promise<(readonly [string, string])[]> =>
    ((await balancer.backendServers?.(never)) ?? []).map(({ name, status }) => [name, status]);
  return { running, balancer, shown };
};

describe('All servers of our backends', () => {
  test('are listed as HAProxy shows them, each backend once, and no other backend', async () => {
    const { running, balancer, shown } = await open(
      `${app}${other}backend api\n  server a 127.0.0.1:1\n`,
      'app/app1',
      'app/app2',
      'api/a',
    );
    await running.command('set server app/app2 state maint');
    expect(await shown()).toEqual([
      ['app/app1', 'no check'],
      ['app/app2', 'MAINT'],
      ['api/a', 'no check'],
    ]);
    const [first] = (await balancer.backendServers?.(never)) ?? [];
    expect(first).toMatchObject({ connections: 0, queued: 0, seconds: expect.any(Number) });
  });

  test('are found anew after a reload that has given their backend another number', async () => {
    const { running, shown } = await open(app + other, 'app/app1');
    await shown();
    await running.rewrite(DEFAULTS + other + app);
    await running.reload();
    expect(await shown()).toEqual([
      ['app/app1', 'no check'],
      ['app/app2', 'no check'],
    ]);
  });

  test('are an error where ours is not there', async () => {
    const { balancer } = await open(other, 'app/app1');
    expect(await refusalOf(async () => balancer.backendServers?.(never))).toMatchObject({
      code: expect.stringMatching(/no-such-server|balancer-unreachable/),
    });
  });
});
