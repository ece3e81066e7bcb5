import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LASTCALL, type Running, start } from '../support/cli.ts';
import { objectOf } from '../support/one-object.ts';
import type { ScriptedService } from '../support/scripted-service.ts';
import { type ScriptedSidecar, openScriptedSidecar } from '../support/scripted-sidecar.ts';
import { until } from '../support/until.ts';

let sidecar: ScriptedSidecar;
let service: ScriptedService;

beforeEach(async () => {
  sidecar = await openScriptedSidecar();
  ({ service } = sidecar);
});
afterEach(() => sidecar.close());

const cli = (...args: string[]): Running => sidecar.cli(...args);

const RECEIPT =
  'receipt: connection errors 0, response errors 0, redispatches 0, client aborts 0, HTTP 5xx 0';

describe('A waiting command in a pipe', () => {
  test('writes plain lines, one per change, and the result with its warnings', async () => {
    service.show('serving', 37);
    const running = cli('stop');
    await running.said('draining, 37 sessions');
    service.show('draining', 37);
    service.show('settling', 0);
    service.show('stopping', 0);
    await running.said('stopping');
    service.finish('done', { phase: 'stopped', forced: 2, warnings: ['2 sessions were ended by force'] });
    const { code, stdout, stderr } = await running.outcome;
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'stop accepted',
      'app1: draining, 37 sessions, 1s elapsed, 1m left, then restore',
      'app1: settling, 0 sessions, 1s elapsed, 1m left, then restore',
      'app1: stopping, 0 sessions, 1s elapsed, 1m left',
      RECEIPT,
      'stop of app1 done in 12s: stopped, sessions 37 -> 0, 2 ended by force',
      '',
    ]);
    expect(stderr).toBe('lastcall: warning: 2 sessions were ended by force\n');
  });

  test('prints the receipt of a failure too, unknown where it cannot be read, with the reason, and none of a refusal', async () => {
    const running = cli('stop');
    await running.said('draining');
    const unknown = { connectionErrors: null, responseErrors: null, redispatches: null, clientAborts: null };
    const why =
      'haproxy: the counters of app/app1 began anew during the operation; the receipt has no numbers';
    service.finish('deadline', { receipt: { ...unknown, http5xx: null }, warnings: [why] });
    const { code, stdout, stderr } = await running.outcome;
    expect(code).toBe(124);
    expect(stdout.split('\n')).toContain(RECEIPT.replaceAll('0', 'unknown'));
    expect(stderr).toContain(`lastcall: warning: ${why}\n`);
    service.refuseNext('guard', 'the last usable server');
    expect((await cli('stop').outcome).stdout).not.toContain('receipt');
  });

  test('names no id, since no command takes one', async () => {
    const running = cli('stop');
    await running.said('draining');
    const [stop] = service.requests;
    const texts = [(await cli('status').outcome).stdout, (await cli('stop', '--no-wait').outcome).stdout];
    running.child.kill('SIGINT');
    const { stdout, stderr } = await running.outcome;
    for (const text of [...texts, stdout, stderr])
      expect(text).not.toMatch(new RegExp(`${stop?.id ?? 'none'}|[\\da-f]{8}-[\\da-f]{4}-|\\bid\\b`));
  });

  test('says unknown, never zero', async () => {
    service.show('serving', null);
    const running = cli('stop');
    await running.said('sessions unknown');
    service.finish('done');
    await running.outcome;
  });

  test('goes on when the sidecar is restarted', async () => {
    const running = cli('stop');
    await running.said('draining');
    await sidecar.stop();
    await running.said('waiting for it to come back');
    await sidecar.resume();
    await running.said('the sidecar is back');
    service.finish('done', { phase: 'stopped' });
    expect(await running.outcome).toMatchObject({ code: 0, stdout: expect.stringContaining('stopped') });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGHUP', 130],
    ['SIGTERM', 143],
  ] as const)(
    'leaves the operation alone on %s, says how to undo it, and exits with %i',
    async (signal, exit) => {
      const running = cli('stop');
      await running.said('draining');
      running.child.kill(signal);
      const { code, stderr } = await running.outcome;
      expect(code).toBe(exit);
      expect(stderr).toMatch(
        /^lastcall: interrupted by SIG\w+: [^\n]+ goes on [^\n]+`lastcall ready --socket [^\n]+`\n$/,
      );
      expect(service.cancelled).toEqual([]);
      expect(service.result(service.requests[0]?.id ?? '')).toBe('running');
    },
  );

  test('takes a reader who has gone for a hang-up', async () => {
    const running = cli('status', '--watch');
    await running.said('app1');
    running.child.stdout.destroy();
    let ended = false;
    void running.outcome.then(() => (ended = true));
    // Its first line may come from before it follows the changes, and only what it writes tells it.
    let isServing = true;
    await until('it has ended', () => {
      isServing = !isServing;
      service.show(isServing ? 'serving' : 'unhealthy', 1);
      return ended;
    });
    expect((await running.outcome).code).toBe(130);
  });

  test('prints one JSON object when it is interrupted', async () => {
    const running = cli('--json', 'stop');
    await service.submitted(1);
    running.child.kill('SIGTERM');
    const { code, stdout } = await running.outcome;
    expect(code).toBe(143);
    expect(objectOf(stdout)).toMatchObject({
      ok: false,
      code: 'interrupted',
      operation: 'stop',
      node: 'app1',
    });
  });
});

describe('A waiting command on a terminal', () => {
  const CLEAR = '\r\u001b[2K';
  const onTerminal = (env: Record<string, string> = {}): Running =>
    start(
      'script',
      ['-qec', `${process.execPath} ${LASTCALL} --socket ${sidecar.socket} drain`, '/dev/null'],
      {
        TERM: 'xterm',
        ...env,
      },
    );

  test('rewrites one line with the sessions left, the course of them, and the time', async () => {
    service.show('serving', 8);
    const running = onTerminal();
    await running.said('8 sessions');
    service.show('draining', 4);
    await running.said('█▅');
    await running.said('1m left, then restore');
    service.finish('done', { phase: 'drained' });
    const { code, stdout } = await running.outcome;
    expect(code).toBe(0);
    expect(stdout).toContain(
      `${CLEAR}\u001b[1mapp1 draining\u001b[22m\u001b[1m  4 sessions\u001b[22m  gone in about`,
    );
    const last = [RECEIPT, 'drain of app1 done in 12s: drained, sessions 37 -> 4'];
    expect(
      stdout
        .trimEnd()
        .replaceAll('\r\n', '\n')
        .endsWith(`${CLEAR}${last.join('\n')}`),
    ).toBe(true);
  });

  test('uses no colours where no terminal shows them', async () => {
    const running = onTerminal({ NO_COLOR: '1' });
    await running.said('draining');
    service.finish('done');
    const { stdout } = await running.outcome;
    expect(stdout).toContain(`${CLEAR}app1 draining`);
    expect(stdout.replaceAll('\u001b[2K', '')).not.toContain('\u001b[');
  });

  test('is left clean by Ctrl-C', async () => {
    const running = onTerminal();
    await running.said('draining');
    running.child.stdin.write('\u0003');
    const { code, stdout } = await running.outcome;
    expect(code).toBe(130);
    expect(stdout).toContain(`${CLEAR}lastcall: interrupted by SIGINT: the drain goes on`);
  });
});
