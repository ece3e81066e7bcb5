import { afterEach, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import type { PoolReport } from '../../agent/lifecycle/model/pool-report.ts';
import type { Running } from '../support/cli.ts';
import { type Etcd, findEtcd, startEtcd } from '../support/etcd.ts';
import { type Fleet, openFleet } from '../support/fleet/fleet.ts';
import { patience } from '../support/rig.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';

/** `status --pool --watch` while nodes of the pool go down: a sidecar is killed, a host with it, and HAProxy itself. */

jest.setTimeout(120_000);

const found = await findEtcd();
const KINDS = 'missing' in found ? (['file'] as const) : (['file', 'etcd'] as const);
if ('missing' in found) test('etcd is here', () => skipped(found.missing));

let fleet: Fleet | undefined;
let etcd: Etcd | undefined;
const watches: Running[] = [];
afterEach(async () => {
  for (const { child } of watches.splice(0)) child.kill('SIGKILL');
  await fleet?.close();
  await etcd?.close();
  fleet = etcd = undefined;
});

async function lockOf(kind: (typeof KINDS)[number]): Promise<(dir: string) => object> {
  if (kind === 'file' || 'missing' in found) return (dir) => ({ file: join(dir, 'app.lock') });
  const started = await startEtcd(found.program);
  etcd = started;
  // The pool is in use for longer than a lease.
  await started.put('/lastcall/app/epoch', 'of-the-test');
  return () => ({ etcd: { endpoints: [started.url], ttl: '5s' } });
}

/** A `status --pool --watch` at a node, and what it has printed. */
interface PoolWatch extends Running {
  /** Resolves with the time, in milliseconds, at which it is seen that the last report that was printed is so. */
  shows(what: string, is: (report: PoolReport) => boolean | undefined): Promise<number>;
}

function watchAt(node: string): PoolWatch {
  const running = (fleet as Fleet).agent(node).cli('status', '--pool', '--watch');
  watches.push(running);
  let heard = '';
  running.child.stdout.on('data', (chunk: string) => (heard += chunk));
  return {
    ...running,
    shows: (what, is) =>
      until(`${node}: ${what}`, () => {
        const line = heard.split('\n').at(-2);
        return line !== undefined && is(JSON.parse(line) as PoolReport) && performance.now();
      }),
  };
}

const statusOf = ({ balancers }: PoolReport, name: string): string | undefined =>
  balancers[0]?.servers.find((server) => server.name === `app/${name}`)?.status;

test.each(KINDS)(
  'With %s every node shows, within two seconds of each other, who holds a slot without a sidecar, who waits no more, and what is DOWN',
  async (kind) => {
    const lock = await lockOf(kind);
    const all = await openFleet({
      nodes: 4,
      sections: (_node, dir) => ({ pool: { name: 'app', slots: 1 }, lock: lock(dir) }),
    });
    fleet = all;
    const at = [watchAt('app3'), watchAt('app4')];
    const both = async (what: string, is: Parameters<PoolWatch['shows']>[1]): Promise<void> => {
      const times = await Promise.all(at.map((one) => one.shows(what, is)));
      expect(Math.max(...times) - Math.min(...times)).toBeLessThan(2_500);
    };
    expect((await all.agent('app1').cli('drain', '--reason', 'disk').outcome).code).toBe(0);
    await both('app1 is out', ({ lock: now }) =>
      now?.holders.some(({ node, alive }) => node === 'app1' && alive),
    );
    const accepted = await all.agent('app2').cli('drain', '--no-wait', '--wait-for-slot', '60s').outcome;
    expect(accepted.code).toBe(0);
    await both('app2 waits', ({ lock: now }) => now?.waiters.some(({ node }) => node === 'app2'));

    await Promise.all([all.agent('app1').kill(), all.agent('app2').kill()]);
    await both('app1 does not live, app2 waits no more, and app1 is in MAINT', (report) => {
      const [holder, ...more] = report.lock?.holders ?? [];
      const isSo = holder?.node === 'app1' && !holder.alive && more.length === 0;
      return isSo && report.lock?.waiters.length === 0 && statusOf(report, 'app1') === 'MAINT';
    });
    // The whole host: its application, too.
    await all.nodes[1]?.kill();
    await both('app2 is DOWN', (report) => statusOf(report, 'app2') === 'DOWN');
    const { stdout } = await all.agent('app3').plain('status', '--pool').outcome;
    expect(stdout).toMatch(
      /\napp1 +out +\S+ +drain by \S.* \(disk\); its sidecar does not live: if app1 no longer/,
    );
    expect(stdout).toMatch(/app\/app2 +DOWN/);

    await all.haproxies[0]?.kill('SIGKILL');
    await both('HAProxy is gone', ({ balancers }) => (balancers[0]?.error ?? null) !== null);
    expect((await all.agent('app4').client.pool(patience())).lock?.holders).toMatchObject([{ node: 'app1' }]);
    const [first, last] = at as [PoolWatch, PoolWatch];
    first.child.kill('SIGINT');
    expect((await first.outcome).code).toBe(130);
    // The sidecar that it asks: there is nothing to show any more.
    await all.agent('app4').kill();
    expect(await last.outcome).toMatchObject({ code: 69, stderr: expect.stringContaining('app4.sock') });
  },
);
