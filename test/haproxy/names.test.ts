import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api/driver.ts';
import {
  probeTable,
  setState,
  showServer,
  showServersState,
  shutdownSessions,
} from '../../agent/haproxy/command.ts';
import { parseServerName } from '../../agent/haproxy/names.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startFake, type FakeHaproxy } from '../support/fake-haproxy.ts';
import { startHaproxy } from '../support/haproxy.ts';
import { never, refusalOf } from '../support/outcome.ts';

const LEGAL = /^[A-Za-z0-9_.:-]{1,128}\/[A-Za-z0-9_.:-]{1,128}$/;
const NASTY = [
  'app/app1;set server app/app2 state maint',
  'app/app1\nshutdown sessions server app/app1',
  'app/app1\r',
  'app/app 1',
  'app/app1\0',
  'app/äpp1',
  'app/"app1"',
  "app/'app1'",
  'app/app1/x',
  'app1',
  '/app1',
  'app/',
  '',
  'app/#1',
  '@1 app/app1',
  `app/${'x'.repeat(14_997)}`,
  `${'x'.repeat(14_996)}/app1`,
];

/** Names that are almost right: legal pieces with one thing in them that is not. */
const almost = fc
  .tuple(
    fc.stringMatching(/^[A-Za-z0-9_.:-]{0,8}$/),
    fc.constantFrom(';', '\n', '\r', ' ', '\t', '\0', '"', "'", '\\', '#', '@', '$', '/', 'é', '\u2028', '%'),
    fc.stringMatching(/^[A-Za-z0-9_.:/-]{0,8}$/),
  )
  .map((parts) => parts.join(''));
const anyText = fc.oneof(almost, fc.string({ unit: 'binary' }), fc.constantFrom(...NASTY));

describe("a server's name", () => {
  let fake: FakeHaproxy;
  beforeAll(async () => {
    fake = await startFake((_line, socket) => socket.end('\n'));
  });
  afterAll(() => fake.stop());

  const balancerOf = (...servers: readonly string[]) =>
    createRuntimeBalancer({ address: fake.path, servers, timeoutMs: 1_000 }, { clock: realClock });

  test.each(NASTY)('%j is refused before a byte is sent', async (name) => {
    expect(await refusalOf(() => parseServerName(name, 'usage'))).toMatchObject({ code: 'usage' });
    expect(await refusalOf(() => balancerOf(name))).toMatchObject({ code: 'config' });
    const balancer = balancerOf('app/app1');
    for (const work of [
      () => balancer.set(name, 'drain', ['ready'], never),
      () => balancer.closeSessions(name, Infinity, never),
    ]) {
      expect(await refusalOf(work)).toMatchObject({ code: 'no-such-server' });
    }
    expect(fake.received).toEqual([]);
  });

  test('any text that is no name is refused, and no connection is made', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyText.filter((text) => !LEGAL.test(text)),
        async (text) => {
          const refusal = await refusalOf(() => balancerOf(text));
          expect(refusal).toMatchObject({ code: 'config' });
          expect(refusal.message).not.toMatch(/\n/);
          await refusalOf(() => balancerOf('app/app1').set(text, 'maint', ['ready'], never));
        },
      ),
      { numRuns: 500 },
    );
    expect(fake.received).toEqual([]);
  });

  test('no command can be made of a text that is no name, wherever the text comes from', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyText.filter((text) => !/^[A-Za-z0-9_.:-]{1,128}$/.test(text)),
        async (text) => {
          for (const name of [
            { backend: text, server: 'app1' },
            { backend: 'app', server: text },
          ]) {
            expect(await refusalOf(() => setState(name, 'drain'))).toMatchObject({ code: 'usage' });
            expect(await refusalOf(() => shutdownSessions(name))).toMatchObject({ code: 'usage' });
          }
          await refusalOf(() => showServersState(text));
          await refusalOf(() => probeTable(`${text}/x/y`));
        },
      ),
    );
    for (const number of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      expect(await refusalOf(() => showServer({ backendId: number, serverId: 1 }))).toMatchObject({
        code: 'usage',
      });
    }
  });

  test.each([
    [135, 137],
    [7_000, 7_000],
    [100, 14_899],
  ])('of %i and %i characters is HAProxy’s own, and ours', async (backend, server) => {
    const name = `${'b'.repeat(backend)}/${'s'.repeat(server)}`;
    const haproxy = await startHaproxy(
      `defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n` +
        `backend ${'b'.repeat(backend)}\n  server ${'s'.repeat(server)} 127.0.0.1:1\n  server other 127.0.0.1:2\n`,
    );
    try {
      const balancer = createRuntimeBalancer(
        { address: haproxy.socket, servers: [name], timeoutMs: 10_000 },
        { clock: realClock },
      );
      expect((await balancer.survey(never)).facts).toMatchObject([{ usableOthers: 1 }]);
      expect(await balancer.set(name, 'drain', ['ready'], never)).toMatchObject({ admin: 'drain' });
      expect((await balancer.look(never)).servers).toMatchObject([{ name, admin: 'drain' }]);
    } finally {
      await haproxy.stop();
    }
  });

  test('a legal one is taken apart at its slash', () => {
    fc.assert(
      fc.property(fc.stringMatching(LEGAL), (text) => {
        const { backend, server } = parseServerName(text, 'config');
        expect(`${backend}/${server}`).toBe(text);
      }),
    );
  });
});
