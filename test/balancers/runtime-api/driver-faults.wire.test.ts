import { describe, expect, test } from '@jest/globals';
import { realClock } from '../../../agent/system/clock.ts';
import { answerOn, startFake } from '../../support/fake-haproxy.ts';
import { ask } from '../../support/haproxy.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { never, refusalOf } from '../../support/outcome.ts';
import { APP1, between, driver, haproxy, withCell, keepFake } from '../../support/runtime-wire.ts';

describe('an answer that is not certain', () => {
  test('is an error wherever it is cut', async () => {
    let length = 0;
    let whole = 0;
    const fake = keepFake(
      await between((answer, line) => {
        if (!line.startsWith('show info')) return answer;
        whole = answer.length;
        return answer.slice(0, length);
      }),
    );
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
    const fake = keepFake(await between((answer) => withCell(answer, column, cell)));
    const balancer = driver(fake.path);
    for (cell of ['', '-1', '0abc', 'NaN', '1e3', ' 0']) {
      expect(await refusalOf(() => balancer.look(never))).toMatchObject({ code: 'balancer-unreachable' });
    }
    cell = '37';
    const [view] = (await balancer.look(never)).servers;
    expect(column === 'scur' ? view?.connections : view?.queued).toBe(37);
  });

  test.each(['stot', 'uweight', 'econ'])('leaves %s unknown where it is no number', async (column) => {
    const fake = keepFake(await between((answer) => withCell(answer, column, 'x')));
    const [view] = (await driver(fake.path).look(never)).servers;
    const unknown = { stot: view?.total, uweight: view?.weight, econ: view?.counters };
    expect(unknown).toMatchObject({ [column]: null });
  });

  test('is an error where the row is another server’s', async () => {
    const fake = keepFake(await between((answer) => answer.replace('\napp,app1,', '\napp,app2,')));
    expect(await refusalOf(() => driver(fake?.path ?? '').look(never))).toMatchObject({
      code: 'balancer-unreachable',
    });
  });

  test('is an error where a status is unheard of', async () => {
    const fake = keepFake(
      await between((answer) =>
        answer.replace(',no check,', ',PERHAPS,').replace(' app1 127.0.0.1 2 ', ' app1 127.0.0.1 9 '),
      ),
    );
    const refusal = await refusalOf(() => driver(fake?.path ?? '').look(never));
    expect(refusal).toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringContaining('PERHAPS'),
    });
  });

  test('is read by the bits where the status is unheard of', async () => {
    const fake = keepFake(await between((answer) => answer.replace(',no check,', ',PERHAPS,')));
    expect((await driver(fake.path).look(never)).servers).toMatchObject([
      { admin: 'ready', operational: 'up' },
    ]);
  });

  test('is an error where a worker that is stopping gives it', async () => {
    const fake = keepFake(await between((answer) => answer.replace('Stopping: 0', 'Stopping: 1')));
    const refusal = await refusalOf(() => driver(fake?.path ?? '').look(never));
    expect(refusal).toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringContaining('old worker'),
    });
  });

  test('is an error where another worker answers for each of two servers', async () => {
    let pid = 100;
    const fake = keepFake(
      await between((answer, line) => {
        const other = answer.replace(/^Pid: .*$/m, () => `Pid: ${(pid += 1)}`);
        // It cannot be seen which answer is whose, and each server is asked for alone.
        return / 1;.* 2$/.test(line) ? other.replace('\n\n', '\n') : other;
      }),
    );
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

  test.each(['all', 'capacity'] as const)(
    'of a worker that is stopping is asked for again by a survey of %s, which no poll repeats',
    async (scope) => {
      let spoilt = 3;
      const fake = keepFake(
        await between((answer) => {
          if (spoilt === 0 || !answer.includes('Stopping: 0')) return answer;
          spoilt -= 1;
          return answer.replace('Stopping: 0', 'Stopping: 1');
        }),
      );
      expect((await driver(fake.path).survey(never, scope)).servers).toMatchObject([{ name: APP1 }]);
      expect(spoilt).toBe(0);
    },
  );

  test('is what stands there, also where HAProxy says done and nothing was done', async () => {
    const fake = keepFake(
      await startFake((line, socket) => {
        if (line.startsWith('set ')) answerOn(socket, '\n');
        else void ask(haproxy.socket, line).then((answer) => answerOn(socket, answer));
      }),
    );
    expect(await driver(fake.path).set(APP1, 'maint', ['ready'], never)).toMatchObject({ admin: 'ready' });
  });

  test('is a refusal by the survey where HAProxy is older than 2.4', async () => {
    const fake = keepFake(await between((answer) => answer.replace(/^Version: .*$/m, 'Version: 2.2.34')));
    const refusal = await refusalOf(() => driver(fake?.path ?? '').survey(never));
    expect(refusal).toMatchObject({ code: 'not-permitted', message: expect.stringContaining('2.2.34') });
  });

  test('is an unknown stickiness where a table cannot be read', async () => {
    const fake = keepFake(
      await between((answer, line) =>
        line.includes('data.server_id') ? 'Filter entry #1: what?\n\n' : answer,
      ),
    );
    expect((await driver(fake.path).survey(never)).facts).toMatchObject([
      { sticky: 'whether the stick table shop, users binds them is unknown' },
    ]);
  });

  test('is an unknown number of others where the BACKEND row does not count them', async () => {
    const fake = keepFake(await between((answer) => withCell(answer, 'act', '', 'BACKEND')));
    expect((await driver(fake.path).survey(never)).facts).toMatchObject([{ usableOthers: null }]);
  });
});

describe('the time of a call', () => {
  test('is over at its deadline, however many exchanges it takes', async () => {
    const clock = new ManualClock();
    // Each exchange takes 600 ms: the fourth would begin after the end.
    const fake = keepFake(
      await between((answer) => {
        clock.advance(600);
        return answer;
      }),
    );
    const refusal = await refusalOf(() =>
      driver(fake?.path ?? '', 2_000, clock).set(APP1, 'drain', ['ready'], never),
    );
    expect(refusal).toMatchObject({ code: 'balancer-unreachable' });
    expect(clock.now()).toBeLessThanOrEqual(1_000_000 + 2_400);
  });

  test('is over at the same moment for all that wait for a silent HAProxy', async () => {
    const clock = new ManualClock();
    const fake = keepFake(await startFake(() => undefined));
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
