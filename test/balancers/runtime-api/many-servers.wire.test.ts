import { afterEach, expect, test } from '@jest/globals';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import { realClock, type Clock } from '../../../agent/system/clock.ts';
import { answerOn, type FakeHaproxy, startFake } from '../../support/fake-haproxy.ts';
import { ask, type Haproxy, startHaproxy } from '../../support/haproxy.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { never } from '../../support/outcome.ts';
import { DEFAULTS } from '../../support/runtime-driver.ts';

/** One node in very many backends: a customer, a path or a port each. */

const names = Array.from({ length: 300 }, (_none, at) => `customer-${at}`);

let haproxy: Haproxy | undefined;
let relay: FakeHaproxy | undefined;
afterEach(async () => {
  await relay?.stop();
  await haproxy?.stop();
});

/** @param beforeAnswer called for each line */
async function open(beforeAnswer = (): void => undefined): Promise<FakeHaproxy> {
  const backends = names.map(
    (name) => `backend ${name}\n  server app1 127.0.0.1:1\n  server app2 127.0.0.1:1\n`,
  );
  haproxy = await startHaproxy(`${DEFAULTS}${backends.join('')}`);
  const { socket } = haproxy;
  relay = await startFake((line, connection) => {
    void ask(socket, line).then((answer) => {
      beforeAnswer();
      answerOn(connection, answer);
    });
  });
  return relay;
}

const driver = (address: string, of: readonly string[], clock: Clock) =>
  createRuntimeBalancer({ address, servers: of, timeoutMs: 5_000 }, { clock });

const servers = names.map((name) => `${name}/app1`);

test('300 servers of one node cost a look some lines, and a survey some more', async () => {
  const { path, lines } = await open();
  const balancer = driver(path, servers, realClock);
  const { servers: views, worker } = await balancer.look(never);
  expect(views.map(({ name }) => name)).toEqual(servers);
  expect(worker?.pid).toBe(await haproxy?.workerPid());
  const first = lines.length;
  await balancer.look(never, 'count', 'capacity');
  expect(lines.length - first).toBeLessThan(10);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(2_100);
  const before = lines.length;
  const { facts } = await balancer.survey(never);
  expect(facts.map(({ usableOthers }) => usableOthers)).toEqual(servers.map(() => 1));
  expect(lines.length - before).toBeLessThan(60);
});

test('servers that are set at one time wait for each other, and for no deadline as long as HAProxy answers', async () => {
  const clock = new ManualClock();
  const { path, lines } = await open(() => clock.advance(500));
  const balancer = driver(path, servers.slice(0, 30), clock);
  const views = await Promise.all(
    servers.slice(0, 30).map((server) => balancer.set(server, 'drain', ['ready'], never)),
  );
  expect(views.map(({ admin }) => admin)).toEqual(views.map(() => 'drain'));
  expect(lines.length).toBeGreaterThanOrEqual(30);
});
