import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isLastcallError } from '../../agent/system/error.ts';
import { lastcall } from '../support/cli.ts';
import { openRig, patience, type Rig, told, type Visitor } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
let visitor: Visitor;
beforeEach(async () => {
  rig = await openRig({ termMs: 50 });
  visitor = await rig.signIn();
});
afterEach(() => rig.close());

function stopWords(): string[] {
  const { haproxy, node } = rig;
  const where = ['--haproxy', haproxy.socket, '--server', 'app/app1'];
  return ['stop', ...where, '--sessions', `${node.url}/sessions`, '--stop-pid', node.pidFile];
}
const untilDrain = (): Promise<unknown> =>
  until('app1 is in DRAIN', async () => ((await rig.admin()) === 'DRAIN' ? true : undefined));

describe('Ctrl-C and its like on a command that waits', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGHUP', 130],
    ['SIGTERM', 143],
  ] as const)('%s in direct mode restores what was found: %i', async (signal, exit) => {
    await rig.haproxy.command('set server app/app1 weight 50%');
    const before = await rig.states();
    const running = lastcall(stopWords());
    await running.said('draining');
    await untilDrain();
    running.child.kill(signal);
    const { code, stderr } = await running.outcome;
    expect(code).toBe(exit);
    expect(stderr).toContain('what was found is restored');
    expect(await rig.states()).toBe(before);
    expect(await rig.terms()).toBe(0);
    expect(await visitor.click()).toMatchObject({ node: 'app1', lost: false });
  });

  test('with --json there is still exactly one object', async () => {
    const running = lastcall([...stopWords(), '--json']);
    await untilDrain();
    running.child.kill('SIGINT');
    const { code, stdout } = await running.outcome;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^\{[^\n]*\}\n$/);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      code: 'interrupted',
      operation: 'stop',
      phase: 'serving',
    });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s on a client of the sidecar leaves the operation running: %i', async (signal, exit) => {
    const agent = await rig.sidecar();
    const running = agent.plain('drain');
    await running.said('draining');
    running.child.kill(signal);
    const { code, stderr } = await running.outcome;
    expect(code).toBe(exit);
    const { phase, operation } = await agent.client.status(patience());
    expect(phase).toBe('draining');
    expect(stderr).toContain('the drain goes on in the sidecar');
    expect(stderr).toContain('lastcall ready');
    await visitor.leave();
    expect(await agent.ends(operation?.id ?? '')).toMatchObject({ ok: true, phase: 'drained' });
  });

  test('SIGTERM to the sidecar leaves everything as it is, and the next one resumes', async () => {
    const first = await rig.sidecar();
    const running = first.plain('drain', '--timeout', '30s');
    await running.said('draining');
    await untilDrain();
    await first.stop();
    expect(await rig.admin()).toBe('DRAIN');
    const second = await rig.sidecar();
    await second.reaches('draining');
    await running.said('the sidecar is back');
    await visitor.leave();
    // The client that waited all the while has its result from the second.
    expect((await running.outcome).code).toBe(0);
  });

  test('an operation that is being resumed is never unknown, however early it is asked for', async () => {
    const first = await rig.sidecar();
    const { json } = await told(first.cli('drain', '--no-wait', '--timeout', '30s'));
    await untilDrain();
    await first.stop();
    const starting = rig.sidecar();
    const state = await until('the next one answers', async () => {
      try {
        return (await first.client.operation(json.id, patience())) ?? 'unknown';
      } catch (error) {
        if (isLastcallError(error) && error.code === 'agent-unreachable') return false;
        throw error;
      }
    });
    expect(state).toEqual({ state: 'running' });
    await starting;
  });
});
