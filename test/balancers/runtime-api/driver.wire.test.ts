import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Socket } from 'node:net';
import { realClock } from '../../../agent/system/clock.ts';
import { startFake } from '../../support/fake-haproxy.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import { APP1, between, driver, haproxy, withCell, keepFake } from '../../support/runtime-wire.ts';

/** Every line that may ever be sent, and nothing else. */
const ROW = 'show info;show stat #\\d+ 4 \\d+';

const TEMPLATES = new RegExp(
  `^(${[
    'show cli level;show info',
    'show info',
    ROW,
    // The same with the BACKEND row: how many others are usable.
    'show info;show stat #\\d+ 6 \\d+',
    // The servers, only where they are too few.
    'show info;show stat #\\d+ 6 -1;show servers state NAME',
    // Of a server that the worker did not have at the poll before.
    'show info;get weight NAME/NAME',
    // On a connection that a write follows on, one command a line.
    'show stat #\\d+ [24] (\\d+|-1)',
    `${ROW};show stat #\\d+ 2 -1;show servers state NAME`,
    'show servers state NAME',
    // The same of one that the configuration lost: HAProxy may not have it either.
    'get weight NAME/NAME',
    // The one full look before an operation.
    'show info;show stat -1 6 -1',
    'show table',
    'show table NAME(/NAME)? data\\.server_id lt 0',
    'show info;show table NAME(/NAME)?',
    'set server NAME/NAME state (ready|drain|maint)',
    'shutdown sessions server NAME/NAME',
    'show info;show sess server NAME/NAME',
    'show sess 0x[0-9a-f]+(;show sess 0x[0-9a-f]+)*',
    'shutdown session 0x[0-9a-f]+(;shutdown session 0x[0-9a-f]+)*',
  ]
    .join('|')
    .replaceAll('NAME', '[A-Za-z0-9_.:-]+')})$`,
);

/** What is asked about several servers at one time shares a line, with each command once. */
const READS = /^(show info|show stat #\d+ [246] (\d+|-1)|(show servers state|get weight) [A-Za-z0-9_.:/-]+)$/;

const isKnown = (line: string): boolean =>
  TEMPLATES.test(line) || line.split(';').every((command) => READS.test(command));

describe('on the wire', () => {
  test('a look is one connection with one short line, once the server is found', async () => {
    const fake = keepFake(await between());
    const balancer = driver(fake.path);
    await balancer.look(never);
    const poll = expect.stringMatching(/^show info;show stat #\d+ 4 1\n$/) as unknown as string;
    expect(fake.received).toEqual(['show servers state app\n', poll]);
    for (let count = 3; count < 6; count += 1) {
      await balancer.look(never);
      expect(fake.received).toHaveLength(count);
    }
    await balancer.set(APP1, 'drain', ['ready'], never);
    const before = fake.received.length;
    await balancer.look(never);
    await balancer.look(never);
    expect(fake.received.slice(before)).toEqual([poll, poll]);
  });

  test('nothing is sent but the templates, in any order of calls', async () => {
    const running = await between();
    keepFake(running);
    const balancer = driver(running.path, 5_000, realClock, [APP1, 'app/app2']);
    const admin = fc.constantFrom('ready', 'drain', 'maint');
    const server = fc.constantFrom(APP1, 'app/app2', 'app/app3', 'app/app1;show info');
    const call = fc.oneof(
      fc.constant(() => balancer.look(never)),
      fc.constant(() => balancer.look(never, 'count', 'capacity')),
      fc.constant(() => balancer.survey(never)),
      fc.constant(() => balancer.survey(never, 'capacity')),
      fc.tuple(server, admin, fc.subarray(['ready', 'drain', 'maint'] as const)).map(
        ([name, want, may]) =>
          () =>
            balancer.set(name, want, may, never),
      ),
      fc.tuple(fc.constantFrom('app/app2', 'app/app4', 'app/app1;show info'), admin).map(
        ([name, want]) =>
          async () =>
            balancer.putBack?.(name, want, ['maint'], never),
      ),
      fc.tuple(server, fc.constantFrom(1, Infinity)).map(
        ([name, limit]) =>
          () =>
            balancer.closeSessions(name, limit, never),
      ),
      server.map((name) => () => balancer.holders(name, never)),
    );
    // One of each that writes or asks for much, whatever the dice say.
    await balancer.survey(never);
    await balancer.survey(never, 'capacity');
    await balancer.set(APP1, 'drain', ['ready'], never);
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 6 }), async (calls) => {
        await Promise.allSettled(calls.map((work) => work()));
        expect(running.lines.filter((sent) => !isKnown(sent))).toEqual([]);
      }),
      { numRuns: 25 },
    );
    expect(running.lines.some((sent) => sent.startsWith('set server'))).toBe(true);
    expect(running.lines.some((sent) => sent.startsWith('show table users'))).toBe(true);
    expect(running.lines).toContain('show info;show table shop');
    expect(running.received.join('')).not.toContain('app3');
  });

  test('nothing is written where the state is there, or may not be replaced', async () => {
    const fake = keepFake(await between());
    const balancer = driver(fake.path);
    await balancer.set(APP1, 'ready', ['maint'], never);
    await balancer.set(APP1, 'drain', ['maint'], never);
    expect(fake.lines.filter((sent) => sent.startsWith('set '))).toEqual([]);
  });

  test('no look falls between a write and its read-back', async () => {
    const fake = keepFake(await between());
    const balancer = driver(fake.path);
    const calls = [];
    for (const admin of ['drain', 'maint', 'ready'] as const) {
      calls.push(
        balancer.look(never),
        balancer.set(APP1, admin, ['ready', 'drain', 'maint'], never),
        balancer.look(never),
      );
    }
    await Promise.all(calls);
    const { lines } = fake;
    const writes = lines.flatMap((sent, at) => (sent.startsWith('set ') ? [at] : []));
    expect(writes).toHaveLength(3);
    for (const at of writes) {
      expect(lines[at - 1]).toContain('show servers state');
      expect(lines[at + 1]).toContain('show servers state');
    }
  });

  test('a call that fails lets the next one have its turn', async () => {
    let broken = true;
    const fake = keepFake(await between((answer) => (broken ? '' : answer)));
    const balancer = driver(fake.path);
    const first = refusalOf(() => balancer.look(never));
    const second = first.then(() => (broken = false));
    expect(await first).toMatchObject({ code: 'balancer-unreachable' });
    await second;
    expect((await balancer.look(never)).servers).toHaveLength(1);
  });

  test('a call that is given up while it waits for its turn sends nothing', async () => {
    let take: (socket: Socket) => void = () => undefined;
    const asked = new Promise<Socket>((resolve) => (take = resolve));
    const running = await startFake((_line, socket) => take(socket));
    keepFake(running);
    const balancer = driver(running.path);
    const first = refusalOf(() => balancer.look(never));
    const socket = await asked;
    const controller = new AbortController();
    const second = expect(balancer.set(APP1, 'maint', ['ready'], controller.signal)).rejects.toThrow(
      'not any more',
    );
    controller.abort(new Error('not any more'));
    await second;
    socket.end();
    await first;
    await running.closed(1);
    expect(running.received).toHaveLength(1);
  });
});

describe('the one full look', () => {
  test('is asked once by a survey, and by nothing else', async () => {
    const fake = keepFake(await between());
    const balancer = driver(fake.path, 5_000, realClock, [APP1, 'app/app2']);
    const full = (): number => fake?.lines.filter((sent) => sent.includes('show stat -1')).length ?? -1;
    await balancer.look(never);
    await balancer.set(APP1, 'drain', ['ready'], never);
    await balancer.survey(never, 'capacity');
    expect(full()).toBe(0);
    await balancer.survey(never);
    expect(full()).toBe(1);
  });

  test.each([
    ['is cut in a row', (answer: string) => answer.slice(0, -40)],
    ['has no end', (answer: string) => answer.slice(0, -1)],
    ['comes from another worker', (answer: string) => answer.replace(/^Pid: .*$/m, 'Pid: 1')],
    ['is a refusal', () => 'Permission denied\n\n'],
  ])('is an error where its answer %s', async (_how, change) => {
    const fake = keepFake(
      await between((answer, line) => (line.includes('show stat -1') ? change(answer) : answer)),
    );
    const refusal = await refusalOf(() => driver(fake?.path ?? '').survey(never));
    expect(['balancer-unreachable', 'not-permitted']).toContain((refusal as { code?: string }).code);
  });

  test('reads a row with commas in quotes', async () => {
    // Random calls of another test may have left it in any state.
    await haproxy.command('set server app/app2 state ready');
    const fake = keepFake(
      await between((answer, line) =>
        line.includes('show stat -1') ? withCell(answer, 'last_agt', '"down, because, of x"') : answer,
      ),
    );
    expect((await driver(fake.path).survey(never)).facts).toMatchObject([{ usableOthers: 1 }]);
  });
});
