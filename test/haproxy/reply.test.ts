import { describe, expect, test } from '@jest/globals';
import { setState, showInfo, showServer, batch } from '../../agent/haproxy/command.ts';
import { answersOf, expectDone } from '../../agent/haproxy/reply.ts';
import { refusalOf } from '../support/outcome.ts';
import { recorded, replied } from './transcripts.ts';

const WRITE = setState({ backend: 'app', server: 'app1' }, 'drain');
const CONFIG = 'backend app\n  server app1 127.0.0.1:1\n';

describe('an answer of HAProxy', () => {
  test('to a write is a success only when it is blank', async () => {
    expect(() => expectDone(replied('\n', WRITE))).not.toThrow();
    expect(() => expectDone(replied('\n\n', WRITE))).not.toThrow();
    expect(await refusalOf(() => expectDone(replied('', WRITE)))).toMatchObject({
      code: 'balancer-unreachable',
    });
    const odd = await refusalOf(() => expectDone(replied('[6]: well, perhaps\n\n', WRITE)));
    expect(odd).toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringContaining('well, perhaps'),
    });
  });

  test.each([
    ['No such server.\n\n', 'no-such-server'],
    ['No such backend.\n\n', 'no-such-server'],
    ["Can't find backend.\n\n", 'no-such-server'],
    ["Require 'backend/server'.\n\n", 'no-such-server'],
    ['Permission denied\n\n', 'not-permitted'],
    ['Permission denied\n', 'not-permitted'],
    ['Proxy is disabled.\n\n', 'balancer-unreachable'],
    ['[3]: No such server.\n\n', 'no-such-server'],
    ['[err]: Permission denied\n\n', 'not-permitted'],
    ['[3]: something new went wrong\n\n', 'failed'],
    ['Unknown command, but maybe one of the following ones is a better match:\n  set...\n\n', 'failed'],
    ['[6]: Unknown command. Please enter one of the following commands only:\n\n', 'failed'],
    ["'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n\n", 'failed'],
    ['usage: set server <backend>/<server> addr | agent...\n\n', 'failed'],
  ])('%j ends in `%s`, naming what was asked', async (text, code) => {
    const refusal = await refusalOf(() => expectDone(replied(text, WRITE)));
    expect(refusal).toMatchObject({ code, target: 'unix:/test', elapsedMs: 1 });
    expect(refusal.message).toContain('set server app/app1 state drain');
    expect(refusal.next).toBeTruthy();
    expect(await refusalOf(() => answersOf(replied(text, showInfo())))).toMatchObject({ code });
  });

  test('has as many parts as commands were sent, or it was cut', async () => {
    const both = batch(showInfo(), showServer({ backendId: 2, serverId: 1 }));
    const [reply] = await recorded(CONFIG, both);
    const text = reply?.text ?? '';
    expect(answersOf(replied(text, both))).toHaveLength(2);
    for (let length = 0; length < text.length; length += 1) {
      const refusal = await refusalOf(() => answersOf(replied(text.slice(0, length), both)));
      expect(refusal.code).toBe('balancer-unreachable');
    }
  });

  test('that refuses one of several commands is that refusal', async () => {
    const [reply] = await recorded(
      CONFIG,
      batch(showInfo(), setState({ backend: 'app', server: 'nobody' }, 'drain')),
    );
    expect(await refusalOf(() => answersOf(reply ?? replied('')))).toMatchObject({ code: 'no-such-server' });
  });

  test('keeps control characters out of the message', async () => {
    const refusal = await refusalOf(() => expectDone(replied('\u001b[31mboo\r\nmore', WRITE)));
    expect(refusal.message).not.toMatch(/\p{Cc}/u);
  });
});
