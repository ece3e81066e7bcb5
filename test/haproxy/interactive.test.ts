import { afterEach, describe, expect, test } from '@jest/globals';
import type { Socket } from 'node:net';
import { parseAddress } from '../../agent/haproxy/address.ts';
import { createClient, type Client } from '../../agent/haproxy/client.ts';
import { setState, showInfo, showLevel, showServersState, batch } from '../../agent/haproxy/command.ts';
import { parseServerName } from '../../agent/haproxy/names.ts';
import type { SendCommand } from '../../agent/haproxy/server-reader.ts';
import { answersOf, expectDone } from '../../agent/haproxy/reply.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { answerOn, pourOn, startFake, type FakeHaproxy } from '../support/fake-haproxy.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { DEFAULTS, withoutSeconds } from './transcripts.ts';

const clientOf = (address: string, clock: Clock = realClock): Client =>
  createClient(address, parseAddress(address, 'config'), { clock });
const sessionAt = <T>(path: string, work: (ask: SendCommand) => Promise<T>, clock?: Clock): Promise<T> =>
  clientOf(path, clock).session(work, 5_000, never);

let haproxy: Haproxy | undefined;
let fake: FakeHaproxy | undefined;
afterEach(async () => {
  await fake?.stop();
  await haproxy?.stop();
  [fake, haproxy] = [undefined, undefined];
});

const APP = `${DEFAULTS}listen app\n  server app1 127.0.0.1:9\n`;
const NAME = parseServerName('app/app1', 'config');

describe('several lines on one connection', () => {
  test('are answered as they are on connections of their own', async () => {
    const { socket } = (haproxy = await startHaproxy(APP));
    const lines = [
      showLevel(),
      batch(showLevel(), showServersState('app')),
      showServersState('nobody'),
      setState(parseServerName('app/nobody', 'config'), 'maint'),
      setState(NAME, 'maint'),
    ];
    // As the first pass leaves it for the second.
    for (const state of ['maint', 'ready']) await haproxy.command(`set server app/app1 state ${state}`);
    const all = await sessionAt(socket, async (ask) => {
      const texts: string[] = [];
      for (const line of lines) texts.push((await ask(line)).text);
      return texts;
    });
    await haproxy.command('set server app/app1 state ready');
    for (const [index, line] of lines.entries()) {
      const alone = await clientOf(socket).exchange(line, 5_000, never);
      expect(withoutSeconds(all[index] ?? '')).toBe(withoutSeconds(alone.text));
    }
  });

  test('are one worker’s, which takes no order once a reload has replaced it', async () => {
    const running = (haproxy = await startHaproxy(APP, { master: true }));
    const pidIn = async (ask: SendCommand): Promise<number> =>
      Number(/^Pid: (\d+)$/m.exec(answersOf(await ask(showInfo()))[0] ?? '')?.[1]);
    await sessionAt(running.socket, async (ask) => {
      const first = await pidIn(ask);
      expect(await running.reload()).not.toBe(first);
      expect(await pidIn(ask)).toBe(first);
      const refused = await refusalOf(async () => expectDone(await ask(setState(NAME, 'maint'))));
      expect(refused).toMatchObject({ code: 'balancer-unreachable' });
      expect(refused.message).toContain('Proxy is disabled.');
    });
    expect(await running.command('show servers state app')).toContain('app1 127.0.0.1 2 0 ');
  });

  test('may be answered byte by byte', async () => {
    fake = await startFake((_line, socket) => {
      const bytes = [...Buffer.from('node: ä\n\n> ')];
      const next = (): void => {
        const byte = bytes.shift();
        if (byte !== undefined) socket.write(Buffer.of(byte), () => setImmediate(next));
      };
      next();
    });
    const both = sessionAt(fake.path, async (ask) => [
      (await ask(showInfo())).text,
      (await ask(showInfo())).text,
    ]);
    expect(await both).toEqual(['node: ä\n\n', 'node: ä\n\n']);
  });

  test.each(['command', 'line'])('have a prompt after each %s, and are answered one by one', async (unit) => {
    fake = await startFake((line, socket) => {
      const answers = line.split(';').map((command) => `${command}: answered\n\n`);
      socket.write(unit === 'line' ? `${answers.join('')}> ` : answers.map((text) => `${text}> `).join(''));
    });
    const both = await sessionAt(fake.path, async (ask) => [
      answersOf(await ask(batch(showLevel(), showInfo(), showServersState('app')))),
      answersOf(await ask(showLevel())),
    ]);
    expect(both).toEqual([
      ['show cli level: answered', 'show info: answered', 'show servers state app: answered'],
      ['show cli level: answered'],
    ]);
  });

  test('leave no connection open, whether the work succeeds or fails', async () => {
    fake = await startFake((_line, socket) => answerOn(socket, '\n'));
    await sessionAt(fake.path, (ask) => ask(showInfo()));
    await fake.closed(1);
    const failing = sessionAt(fake.path, () => Promise.reject(new Error('no more')));
    await expect(failing).rejects.toThrow('no more');
    await fake.closed(2);
  });
});

describe('a session that goes wrong', () => {
  test('is an error where HAProxy ends it before its answer', async () => {
    fake = await startFake((_line, socket) => socket.end('Name: HAP'));
    const refusal = await refusalOf(() => sessionAt(fake?.path ?? '', (ask) => ask(showInfo())));
    expect(refusal).toMatchObject({ code: 'balancer-unreachable', target: fake.path });
    expect(refusal.message).toContain('ended the connection before its answer');
  });

  test('is over at the deadline of all of it', async () => {
    const clock = new ManualClock();
    fake = await startFake((_line, socket) => {
      clock.advance(3_000);
      answerOn(socket, '\n');
    });
    const refusal = await refusalOf(() =>
      sessionAt(fake?.path ?? '', async (ask) => [await ask(showInfo()), await ask(showInfo())], clock),
    );
    expect(refusal).toMatchObject({ code: 'balancer-unreachable', elapsedMs: 5_000 });
    await fake.closed(1);
  });

  test('is over when it is aborted, with the reason', async () => {
    const abort = new AbortController();
    let asked: (socket: Socket) => void = () => undefined;
    const arrived = new Promise<Socket>((resolve) => (asked = resolve));
    fake = await startFake((_line, socket) => asked(socket));
    const session = clientOf(fake.path).session((ask) => ask(showInfo()), 5_000, abort.signal);
    const ended = expect(session).rejects.toThrow('not any more');
    await arrived;
    abort.abort(new Error('not any more'));
    await ended;
    await fake.closed(1);
  });

  test('is given up on an answer without end', async () => {
    fake = await startFake((_line, socket) => pourOn(socket));
    const refusal = await refusalOf(() =>
      sessionAt(fake?.path ?? '', (ask) => ask(showInfo()), new ManualClock()),
    );
    expect(refusal.message).toContain('4194304 bytes');
    await fake.closed(1);
  });

  test('is known from something that is no HAProxy, within its time', async () => {
    const clock = new ManualClock();
    fake = await startFake((_line, socket) => {
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n', () => clock.advance(5_000));
    });
    const refusal = await refusalOf(() => sessionAt(fake?.path ?? '', (ask) => ask(showInfo()), clock));
    expect(refusal).toMatchObject({ code: 'balancer-unreachable' });
  });
});
