import { describe, expect, test } from '@jest/globals';
import { MINIMAL, load } from './support.ts';

describe('a legal file may hold what its owner ought to know', () => {
  test('a control socket that every user may open', async () => {
    const loaded = await load(`${MINIMAL}listen: { control: { mode: "0666" } }\n`);
    expect(loaded).toMatchObject({
      ok: true,
      warnings: [
        'listen.control.mode lets every user of this machine drain and stop host1, reboot this machine where the sidecar may',
      ],
    });
  });

  test('a stop command whose end nothing proves', async () => {
    expect(await load(`${MINIMAL}app: { stop: { command: [b] } }\n`)).toMatchObject({
      ok: true,
      warnings: [expect.stringContaining('app.stop.gone is missing')],
    });
  });

  test('a ramp that a balancer without weights does not get', async () => {
    const text =
      'balancers:\n  - { haproxy: /run/h.sock, servers: [app/app1], writer: agent-check }\n' +
      'listen: { agentCheck: { address: 127.0.0.1:7001, allow: [127.0.0.1] } }\n';
    expect(await load(`${text}return: { warmUp: 0s }\n`)).toMatchObject({ ok: true, warnings: [] });
    expect(await load(`${text}return: { warmUp: 30s }\n`)).toMatchObject({
      ok: true,
      warnings: [expect.stringContaining('balancers[0]: return.warmUp does not reach it')],
    });
  });

  test('a soak without a lock, which has no slot to hold back', async () => {
    expect(await load(`${MINIMAL}return: { soak: 5m }\n`)).toMatchObject({
      ok: true,
      warnings: [expect.stringContaining('return.soak: no lock is configured')],
    });
  });

  test('a start and a stop that the command line replaces', async () => {
    const text = `${MINIMAL}app: { start: { command: [a] }, stop: { command: [b], gone: { port: 80 } } }\n`;
    expect(await load(text)).toMatchObject({ ok: true, warnings: [] });
    expect(await load(text, { supervised: true })).toMatchObject({
      ok: true,
      warnings: [
        'app.start is not used: the command line names the app',
        'app.stop is not used: the command line names the app',
      ],
    });
  });
});
