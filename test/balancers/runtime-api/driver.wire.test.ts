import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Socket } from 'node:net';
import type { Balancer } from '../../../agent/balancers/balancer.ts';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import { realClock, type Clock } from '../../../agent/system/clock.ts';
import { answerOn, startFake, type FakeHaproxy } from '../../support/fake-haproxy.ts';
import { ask, startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { never, refusalOf } from '../../support/outcome.ts';

/** Every line that may ever be sent, and nothing else. */
const ROW = 'show info;show stat \\d+ 4 \\d+';
const TEMPLATES = new RegExp(
  `^(${[
    'show cli level;show info',
    'show info',
    ROW,
    // The same with the BACKEND row: how many others are usable.
    'show info;show stat \\d+ 6 \\d+',
    // The servers, only where they are too few.
    'show info;show stat \\d+ 6 -1;show servers state NAME',
    // Of a server that the worker did not have at the poll before.
    'show info;get weight NAME/NAME',
    // On a connection that a write follows on, one command a line.
    'show stat \\d+ [24] (\\d+|-1)',
    `${ROW};show stat \\d+ 2 -1;show servers state NAME`,
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

const CONFIG = `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
backend users
  stick-table type ip size 1k store http_req_cnt
backend shop
  stick-table type ip size 1k expire 1m
  stick on src
  server shop1 127.0.0.1:1
backend app
  server app1 127.0.0.1:1
  server app2 127.0.0.1:1
`;
const APP1 = 'app/app1';
const driver = (
  address: string,
  timeoutMs = 5_000,
  clock: Clock = realClock,
  servers: readonly string[] = [APP1],
): Balancer => createRuntimeBalancer({ address, servers, timeoutMs }, { clock });

let haproxy: Haproxy;
let fake: FakeHaproxy | undefined;
beforeAll(async () => {
  haproxy = await startHaproxy(CONFIG);
});
afterEach(async () => {
  await fake?.stop();
  await haproxy.command(`set server ${APP1} state ready`);
});
afterAll(() => haproxy.stop());

/** A real HAProxy, whose answers pass through `change`. */
function between(
  change: (answer: string, line: string) => string | Promise<string> = (answer) => answer,
): Promise<FakeHaproxy> {
  return startFake((line, socket) => {
    void (async () => answerOn(socket, await change(await ask(haproxy.socket, line), line)))();
  });
}

describe('on the wire', () => {
  test('a look is one connection with one short line, once the server is found', async () => {
    fake = await between();
    const balancer = driver(fake.path);
    await balancer.look(never);
    const poll = expect.stringMatching(/^show info;show stat \d+ 4 1\n$/) as unknown as string;
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
    fake = running;
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
        for (const sent of running.lines) expect(sent).toMatch(TEMPLATES);
      }),
      { numRuns: 25 },
    );
    expect(running.lines.some((sent) => sent.startsWith('set server'))).toBe(true);
    expect(running.lines.some((sent) => sent.startsWith('show table users'))).toBe(true);
    expect(running.lines).toContain('show info;show table shop');
    expect(running.received.join('')).not.toContain('app3');
  });

  test('nothing is written where the state is there, or may not be replaced', async () => {
    fake = await between();
    const balancer = driver(fake.path);
    await balancer.set(APP1, 'ready', ['maint'], never);
    await balancer.set(APP1, 'drain', ['maint'], never);
    expect(fake.lines.filter((sent) => sent.startsWith('set '))).toEqual([]);
  });

  test('no look falls between a write and its read-back', async () => {
    fake = await between();
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
    fake = await between((answer) => (broken ? '' : answer));
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
    fake = running;
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
    fake = await between();
    const balancer = driver(fake.path, 5_000, realClock, [APP1, 'app/app2']);
    const full = (): number => fake?.lines.filter((sent) => sent.includes('show stat -1')).length ?? -1;
    await balancer.look(never);
    await balancer.set(APP1, 'drain', ['ready'], never);
    await balancer.survey(never, 'stickiness');
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
    fake = await between((answer, line) => (line.includes('show stat -1') ? change(answer) : answer));
    const refusal = await refusalOf(() => driver(fake?.path ?? '').survey(never));
    expect(['balancer-unreachable', 'not-permitted']).toContain((refusal as { code?: string }).code);
  });

  test('reads a row with commas in quotes', async () => {
    // Random calls of another test may have left it in any state.
    await haproxy.command('set server app/app2 state ready');
    fake = await between((answer, line) =>
      line.includes('show stat -1') ? withCell(answer, 'last_agt', '"down, because, of x"') : answer,
    );
    expect((await driver(fake.path).survey(never)).facts).toMatchObject([{ usableOthers: 1 }]);
  });
});

describe('an answer that is not certain', () => {
  test('is an error wherever it is cut', async () => {
    let length = 0;
    let whole = 0;
    fake = await between((answer, line) => {
      if (!line.startsWith('show info')) return answer;
      whole = answer.length;
      return answer.slice(0, length);
    });
    const balancer = driver(fake.path);
    do {
      expect(await refusalOf(() => balancer.look(never))).toMatchObject({ code: 'balancer-unreachable' });
      length += 37;
    } while (length < whole);
    length = Infinity;
    expect((await balancer.look(never)).servers).toMatchObject([{ connections: 0 }]);
  });

  test.each(['scur', 'qcur'])('is an error where %s is no number, and never 0', async (column) => {
    let cell = '';
    fake = await between((answer) => withCell(answer, column, cell));
    const balancer = driver(fake.path);
    for (cell of ['', '-1', '0abc', 'NaN', '1e3', ' 0']) {
      expect(await refusalOf(() => balancer.look(never))).toMatchObject({ code: 'balancer-unreachable' });
    }
    cell = '37';
    const [view] = (await balancer.look(never)).servers;
    expect(column === 'scur' ? view?.connections : view?.queued).toBe(37);
  });

  test.each(['stot', 'uweight', 'econ'])('leaves %s unknown where it is no number', async (column) => {
    fake = await between((answer) => withCell(answer, column, 'x'));
    const [view] = (await driver(fake.path).look(never)).servers;
    const unknown = { stot: view?.total, uweight: view?.weight, econ: view?.counters };
    expect(unknown).toMatchObject({ [column]: null });
  });

  test('is an error where the row is another server’s', async () => {
    fake = await between((answer) => answer.replace('\napp,app1,', '\napp,app2,'));
    expect(await refusalOf(() => driver(fake?.path ?? '').look(never))).toMatchObject({
      code: 'balancer-unreachable',
    });
  });

  test('is an error where a status is unheard of', async () => {
    fake = await between((answer) =>
      answer.replace(',no check,', ',PERHAPS,').replace(' app1 127.0.0.1 2 ', ' app1 127.0.0.1 9 '),
    );
    const refusal = await refusalOf(() => driver(fake?.path ?? '').look(never));
    expect(refusal).toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringContaining('PERHAPS'),
    });
  });

  test('is read by the bits where the status is unheard of', async () => {
    fake = await between((answer) => answer.replace(',no check,', ',PERHAPS,'));
    expect((await driver(fake.path).look(never)).servers).toMatchObject([
      { admin: 'ready', operational: 'up' },
    ]);
  });

  test('is an error where a worker that is stopping gives it', async () => {
    fake = await between((answer) => answer.replace('Stopping: 0', 'Stopping: 1'));
    const refusal = await refusalOf(() => driver(fake?.path ?? '').look(never));
    expect(refusal).toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringContaining('old worker'),
    });
  });

  test('is an error where another worker answers for each of two servers', async () => {
    let pid = 100;
    fake = await between((answer) => answer.replace(/^Pid: .*$/m, () => `Pid: ${(pid += 1)}`));
    const balancer = driver(fake.path, 5_000, realClock, [APP1, 'app/app2']);
    for (const work of [
      () => balancer.look(never),
      () => balancer.survey(never),
      () => balancer.survey(never, 'capacity'),
    ]) {
      const refusal = await refusalOf(work);
      expect(refusal).toMatchObject({
        code: 'balancer-unreachable',
        message: expect.stringContaining('reloaded'),
      });
    }
  });

  test('is what stands there, also where HAProxy says done and nothing was done', async () => {
    fake = await startFake((line, socket) => {
      if (line.startsWith('set ')) answerOn(socket, '\n');
      else void ask(haproxy.socket, line).then((answer) => answerOn(socket, answer));
    });
    expect(await driver(fake.path).set(APP1, 'maint', ['ready'], never)).toMatchObject({ admin: 'ready' });
  });

  test('is a refusal by the survey where HAProxy is older than 2.4', async () => {
    fake = await between((answer) => answer.replace(/^Version: .*$/m, 'Version: 2.2.34'));
    const refusal = await refusalOf(() => driver(fake?.path ?? '').survey(never));
    expect(refusal).toMatchObject({ code: 'not-permitted', message: expect.stringContaining('2.2.34') });
  });

  test('is an unknown stickiness where a table cannot be told', async () => {
    fake = await between((answer, line) =>
      line.includes('data.server_id') ? 'Filter entry #1: what?\n\n' : answer,
    );
    expect((await driver(fake.path).survey(never)).facts).toMatchObject([
      { sticky: 'whether the stick table shop, users binds them is unknown' },
    ]);
  });

  test('is an unknown number of others where the BACKEND row does not count them', async () => {
    fake = await between((answer) => withCell(answer, 'act', '', 'BACKEND'));
    expect((await driver(fake.path).survey(never)).facts).toMatchObject([{ usableOthers: null }]);
  });
});

describe('the time of a call', () => {
  test('is over at its deadline, however many exchanges it takes', async () => {
    const clock = new ManualClock();
    // Each exchange takes 600 ms: the fourth would begin after the end.
    fake = await between((answer) => {
      clock.advance(600);
      return answer;
    });
    const refusal = await refusalOf(() =>
      driver(fake?.path ?? '', 2_000, clock).set(APP1, 'drain', ['ready'], never),
    );
    expect(refusal).toMatchObject({ code: 'balancer-unreachable' });
    expect(clock.now()).toBeLessThanOrEqual(1_000_000 + 2_400);
  });

  test('is over at the same moment for all that wait for a silent HAProxy', async () => {
    const clock = new ManualClock();
    fake = await startFake(() => undefined);
    const balancer = driver(fake.path, 2_000, clock);
    const calls = [
      refusalOf(() => balancer.look(never)),
      refusalOf(() => balancer.look(never)),
      refusalOf(() => balancer.set(APP1, 'drain', ['ready'], never)),
    ];
    await clock.armed();
    clock.advance(2_000);
    for (const refusal of await Promise.all(calls))
      expect(refusal).toMatchObject({ code: 'balancer-unreachable' });
    expect(clock.now()).toBe(1_002_000);
    expect(clock.pending).toBe(0);
  });
});

/** The answer with one cell of a row replaced. */
function withCell(answer: string, column: string, value: string, svname = 'app1'): string {
  const names = /^# (pxname.*)$/m.exec(answer)?.[1]?.split(',') ?? [];
  return answer.replace(new RegExp(`^app,${svname},.*$`, 'm'), (row) => {
    const cells = row.split(',');
    cells[names.indexOf(column)] = value;
    return cells.join(',');
  });
}
