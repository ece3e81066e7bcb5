import { afterEach, describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { ask, startHaproxy, type Haproxy } from './haproxy.ts';
import { ManualClock } from './manual-clock.ts';
import { freePort } from './ports.ts';

let haproxy: Haproxy | undefined;
afterEach(() => haproxy?.stop());

const app = (port: number, server: string): string =>
  `defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n` +
  `listen app\n  bind 127.0.0.1:${port}\n  server ${server} 127.0.0.1:1\n`;

describe('the HAProxy of the tests', () => {
  test('answers as soon as it is given out, and is gone with its directory after stop', async () => {
    haproxy = await startHaproxy(app(await freePort(), 'app1'));
    expect(await haproxy.command('show stat app 4 -1')).toContain('app,app1,');
    expect(await haproxy.workerPid()).toBe(haproxy.pid);
    await haproxy.stop();
    expect(existsSync(haproxy.dir)).toBe(false);
  });

  test('reloads: another worker answers, with the configuration that was rewritten', async () => {
    const port = await freePort();
    haproxy = await startHaproxy(app(port, 'app1'), { master: true });
    const before = await haproxy.workerPid();
    await haproxy.rewrite(app(port, 'app2'));
    const after = await haproxy.reload();
    expect(after).not.toBe(before);
    expect(await haproxy.command('show stat app 4 -1')).toContain('app,app2,');
  });

  test('reports a reload in vain, and the next one is seen', async () => {
    const config = app(await freePort(), 'app1');
    haproxy = await startHaproxy(config, { master: true });
    const before = await haproxy.workerPid();
    await haproxy.rewrite('listen app\n  nonsense\n');
    await haproxy.reloadInVain();
    expect(await haproxy.workerPid()).toBe(before);
    await haproxy.rewrite(config);
    expect(await haproxy.reload()).not.toBe(before);
  });

  test('ends what is asked of a worker that has gone', async () => {
    haproxy = await startHaproxy(app(await freePort(), 'app1'), { master: true });
    const answer = await ask(haproxy.masterSocket ?? '', '@!1 show info;quit');
    expect(answer).toContain("Can't find the target PID");
  });

  test('stops even when it was frozen', async () => {
    haproxy = await startHaproxy(app(await freePort(), 'app1'), { master: true });
    await haproxy.kill('SIGSTOP');
    await haproxy.stop();
    expect(() => process.kill(haproxy?.pid ?? 0, 0)).toThrow('ESRCH');
  });

  test('reports in its own message why it did not start', async () => {
    await expect(startHaproxy('listen app\n  nonsense\n')).rejects.toThrow("unknown keyword 'nonsense'");
  });
});

describe('the manual clock', () => {
  test('runs what is due in the order of time, also what a timer sets, and nothing cancelled', () => {
    const clock = new ManualClock(0);
    const seen: string[] = [];
    clock.after(20, () => seen.push(`b${clock.now()}`));
    clock.after(10, () => {
      seen.push(`a${clock.now()}`);
      clock.after(5, () => seen.push(`c${clock.now()}`));
    });
    clock.after(12, () => seen.push('never'))();
    clock.after(31, () => seen.push('later'));
    clock.advance(30);
    expect(seen).toEqual(['a10', 'c15', 'b20']);
    expect(clock.now()).toBe(30);
    expect(clock.pending).toBe(1);
  });
});
