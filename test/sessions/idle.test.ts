import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createIdleSource } from '../../agent/sessions/idle.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { sourceContract } from '../contract/source.ts';
import { startFake } from '../support/fake-haproxy.ts';
import { targetAt, untilOld } from '../support/haproxy-target.ts';
import { startHaproxy, type Haproxy, type HaproxyOptions } from '../support/haproxy.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { createShiftedClock } from '../support/shifted-clock.ts';
import { makeTempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Site {
  readonly haproxy: Haproxy;
  /** What HAProxy was started with. */
  readonly config: string;
  readonly visit: () => Promise<Response>;
}

/** A HAProxy with one server, which answers as the test sets. */
async function openSite(
  answer: RequestListener = (_request, response) => response.end('hello'),
  options: HaproxyOptions = {},
): Promise<Site> {
  const app = createServer(answer);
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  cleanups.push(() => {
    app.closeAllConnections();
    return new Promise((resolve) => app.close(resolve));
  });
  const port = await freePort();
  const config =
    'defaults\n  mode http\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s\n' +
    `listen app\n  bind 127.0.0.1:${port}\n  server app1 127.0.0.1:${(app.address() as AddressInfo).port}\n`;
  const haproxy = await startHaproxy(config, options);
  cleanups.push(() => haproxy.stop());
  return {
    haproxy,
    config,
    visit: () => fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } }),
  };
}

const sourceAt = (paths: readonly string[], periodMs: number, clock: Clock = realClock): Source =>
  createIdleSource({ kind: 'idle', periodMs, timeoutMs: 5_000 }, 'idle', {
    clock,
    targets: paths.map((path) => targetAt(path, clock)),
  });

sourceContract('how long no request came', {
  numbers: [0, 1],
  counting: async (users) => {
    const { haproxy, visit } = await openSite();
    if (users > 0) await (await visit()).text();
    await untilOld(haproxy.socket, 2);
    return sourceAt([haproxy.socket], users > 0 ? 60_000 : 1_000);
  },
  absent: async (clock) => {
    const temp = await makeTempDir();
    cleanups.push(() => temp.remove());
    return sourceAt([join(temp.path, 'none.sock')], 1_000, clock);
  },
  silent: async (clock) => {
    const fake = await startFake(() => undefined);
    cleanups.push(() => fake.stop());
    return sourceAt([fake.path], 1_000, clock);
  },
});

describe('idle', () => {
  test('comes when the period is over, and goes with the next request', async () => {
    const { haproxy, visit } = await openSite();
    const source = sourceAt([haproxy.socket], 1_000);
    await (await visit()).text();
    expect(await source.count(never)).toBe(1);
    await until('it is idle', async () => (await source.count(never)) === 0);
    await (await visit()).text();
    expect(await source.count(never)).toBe(1);
  });

  test('never comes during a request, however long ago it began, and not right after it', async () => {
    let finish = (): void => undefined;
    const { haproxy, visit } = await openSite((_request, response) => {
      response.write('half');
      finish = () => void response.end();
    });
    const clock = createShiftedClock();
    const source = sourceAt([haproxy.socket], 1_000, clock);
    const answer = await visit();
    await untilOld(haproxy.socket, 4);
    expect(await source.count(never)).toBe(1);
    finish();
    await answer.text();
    expect(await source.count(never)).toBe(1);
    clock.forward(1_000);
    await until('the request is over at HAProxy too', async () => {
      clock.forward(1_000);
      return (await source.count(never)) === 0;
    });
  });

  test('is unknown to a worker that has run for less than the period, unless a user came', async () => {
    const { haproxy, visit } = await openSite();
    const source = sourceAt([haproxy.socket], 60_000);
    const refusal = await refusalOf(() => source.count(never));
    expect(refusal).toMatchObject({ code: 'failed', target: haproxy.socket, next: expect.any(String) });
    expect(refusal.message).toContain('in the last 60 s');
    await (await visit()).text();
    expect(await source.count(never)).toBe(1);
  });

  test('is unknown after a reload, which clears the times of the last requests', async () => {
    const { haproxy, visit } = await openSite(undefined, { master: true });
    await (await visit()).text();
    const source = sourceAt([haproxy.socket], 1_000);
    await until('it is idle', async () => (await source.count(never)) === 0);
    await haproxy.reload();
    expect((await refusalOf(() => source.count(never))).message).toContain('is unknown');
    await untilOld(haproxy.socket, 2);
    expect(await source.count(never)).toBe(0);
  });

  test('comes to a server that a reload removed, once it is gone for the period, each time anew', async () => {
    const { haproxy, config, visit } = await openSite(undefined, { master: true });
    const clock = createShiftedClock();
    const source = sourceAt([haproxy.socket], 60_000, clock);
    await (await visit()).text();
    expect(await source.count(never)).toBe(1);
    for (let round = 0; round < 2; round += 1) {
      await haproxy.rewrite(config.replace(' app1 ', ' app2 '));
      await haproxy.reload();
      // A user may have come right before that.
      expect(await refusalOf(() => source.count(never))).toMatchObject({
        code: 'failed',
        message: expect.stringMatching(/app\/app1 was removed from HAProxy by a reload.* in the last 60 s/),
      });
      clock.forward(60_000);
      expect(await source.count(never)).toBe(0);
      await haproxy.rewrite(config);
      await haproxy.reload();
      await (await visit()).text();
      expect(await source.count(never)).toBe(1);
    }
  });

  test('is not made by an operator who clears the counters', async () => {
    const { haproxy, visit } = await openSite();
    const clock = createShiftedClock();
    const source = sourceAt([haproxy.socket], 3_000, clock);
    await (await visit()).text();
    expect(await source.count(never)).toBe(1);
    await untilOld(haproxy.socket, 4);
    await haproxy.command('clear counters all');
    expect(await source.count(never)).toBe(1);
    clock.forward(3_000);
    expect(await source.count(never)).toBe(0);
  });

  test('is what every HAProxy must say', async () => {
    const [one, other] = [await openSite(), await openSite()];
    await untilOld(one.haproxy.socket, 2);
    await untilOld(other.haproxy.socket, 2);
    const source = sourceAt([one.haproxy.socket, other.haproxy.socket], 1_000);
    expect(await source.count(never)).toBe(0);
    await (await other.visit()).text();
    expect(await source.count(never)).toBe(1);
    await one.haproxy.stop();
    expect(await refusalOf(() => source.count(never))).toMatchObject({ target: one.haproxy.socket });
  });
});
