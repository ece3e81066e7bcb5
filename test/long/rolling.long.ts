import { expect, test } from '@jest/globals';
import { createUsers } from '../fixtures/users.ts';
import { startSidecar, type Sidecar } from '../support/sidecar.ts';
import { openSite } from '../support/site.ts';

const RESTARTS = 150;
const USERS = { population: 60, thinkMs: 150, stayMs: 2000, pageMs: 30 };

test('a hundred and fifty restarts, node after node, under live users cost no request and no session', async () => {
  const { signal } = new AbortController();
  const site = await openSite({ warmMs: 100, idleMs: 10_000 }, signal);
  const users = createUsers({ url: site.url, ...USERS });
  const sidecars: Sidecar[] = [];
  try {
    for (const node of site.nodes) sidecars.push(await startSidecar(site, node, signal, { quiet: '200ms' }));
    await users.start();
    for (let restart = 0; restart < RESTARTS; restart++) {
      const sidecar = sidecars[restart % sidecars.length];
      const outcome = await sidecar?.lastcall(
        ['restart', '--json', '--reason', `restart ${restart}`],
        signal,
      );
      expect(outcome).toMatchObject({ code: 0 });
    }
    const { requests, people, failed, lost, failures } = await users.stop();
    process.stdout.write(
      `rolling: ${RESTARTS} restarts, ${people} users, ${requests} requests, ${failed} failed, ${lost} lost\n`,
    );
    expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  } finally {
    await users.stop();
    for (const sidecar of sidecars) await sidecar.stop();
    await site.close();
  }
});
