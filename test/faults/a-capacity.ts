import { type IncomingMessage, request } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import { looks } from '../support/looks.ts';
import { freePort } from '../support/ports.ts';
import { meet, type Recorder, startRecorder } from '../support/recorder.ts';
import { type Agent, column, patience, type Rig, told } from '../support/rig.ts';
import { playRounds, ROUNDS, SITES } from '../support/slow-restart.ts';
import { statusesOf } from '../support/two-nodes.ts';
import { until } from '../support/until.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { portOf, shows, since, statusOf, usableOther } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** The last healthy node, a neighbour that dies, aborts, and the way back. */

async function lastHealthyNode(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50, others: '  server app2 127.0.0.1:1 disabled\n' });
  const before = await rig.states();
  const drained = await told(rig.direct('drain', '--sessions', `${rig.node.url}/sessions`));
  const stopWords = ['--sessions', `${rig.node.url}/sessions`, '--stop-pid', rig.node.pidFile];
  const stopped = await told(rig.direct('stop', ...stopWords));
  const seen = {
    codes: [drained.code, stopped.code],
    said: [drained.json.code, stopped.json.code],
    isUnchanged: (await rig.states()) === before,
    stops: await rig.terms(),
  };
  return compare(seen, { codes: [75, 75], said: ['guard', 'guard'], isUnchanged: true, stops: 0 });
}

async function neighbourDies(stage: FaultStage): Promise<FaultSeen> {
  const port = await freePort();
  const serve = (): ReturnType<FaultStage['stub']> =>
    stage.stub((_request, response) => void response.end(), port);
  const neighbour = await serve();
  const others = `  server app2 127.0.0.1:${port} cookie app2 check inter 200ms fall 1 rise 1\n`;
  const rig = await stage.rig({ others, termMs: 50 });
  await until('app2 was checked', async () => (await statusesOf(rig.haproxy))[1] === 'UP');
  const agent = await rig.sidecar({ timeout: '5m' });
  const visitor = await rig.signIn();
  const stopping = told(agent.cli('stop'));
  await shows(rig.haproxy, 'DRAIN');
  // A poll has read DRAIN back, with enough others: from here on their loss ends nothing.
  await looks(rig.haproxy, 5);
  await neighbour.stop();
  await until('app2 is DOWN', async () => (await statusesOf(rig.haproxy))[1]?.startsWith('DOWN') === true);
  const from = performance.now();
  await shows(rig.haproxy, 'no check');
  const back = Math.round(performance.now() - from);
  const { phase, alarms } = await statusOf(agent);
  await visitor.leave();
  await serve();
  const { code, json } = await stopping;
  const seen = { phase, alarm: alarms.join(), back, code, ended: json.phase, stops: await rig.terms() };
  const expected = {
    phase: 'draining',
    alarm: /leaves 0 other usable servers/,
    back: { atMost: 1_000 },
    code: 0,
    ended: 'stopped',
    stops: 1,
  };
  return compare(seen, expected, `${back} ms from DOWN to the node being back`);
}

/** Where a cancel comes, how the operation ends then, and what HAProxy shows after it. */
const ABORTS = [
  'draining: cancelled, as found',
  'settling: cancelled, as found',
  'fencing: cancelled, as found',
  'drained, by ready: done, as found',
  'stopping: too late, done, MAINT',
  'warming: cancelled, MAINT',
  'returning: too late, done, as found',
];

/** Cancels at its moment. @returns the answer to the cancel */
type CancelMoment = (cancel: () => Promise<string>) => Promise<string>;

/** The moments of a sidecar whose words to HAProxy pass this recorder. */
function momentsOf(agent: Agent, recorder: Recorder) {
  return {
    reached:
      (phase: Phase): CancelMoment =>
      async (cancel) => {
        await agent.reaches(phase);
        return cancel();
      },
    /** No poll ends the phase before the cancel. */
    heldIn:
      (phase: Phase): CancelMoment =>
      async (cancel) => {
        await agent.reaches(phase);
        recorder.pause();
        return cancel().finally(() => recorder.resume());
      },
    at:
      (when: 'before' | 'after', admin: string): CancelMoment =>
      async (cancel) => {
        let answer = '';
        const isIt = (line: string): boolean => line === `set server app/app1 state ${admin}`;
        await meet(recorder, when, isIt, async () => void (answer = await cancel()));
        return answer;
      },
  };
}

async function abortInEachPhase(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 1_000, warmMs: 1_000, server: 'weight 100' });
  await rig.haproxy.command('set server app/app1 weight 50%');
  const before = await rig.states();
  const recorder = await startRecorder(rig.haproxy.socket, join(rig.dir, 'rec.sock'));
  stage.onEnd(() => recorder.close());
  const balancers = [{ haproxy: recorder.socket, servers: ['app/app1'] }];
  const agent = await rig.sidecar({ quiet: '500ms', sections: { balancers } });
  await agent.reaches('serving');
  const { reached, heldIn, at } = momentsOf(agent, recorder);
  const seen: string[] = [];
  const note = async (where: string, code: string): Promise<void> => {
    const shown = (await rig.states()) === before ? 'as found' : await rig.admin();
    seen.push(`${where}: ${code}, ${shown}`);
  };
  const aborted = async (phase: Phase, verb: 'stop' | 'ready', moment: CancelMoment): Promise<void> => {
    const asked = told(agent.cli(verb, '--no-wait'));
    const answer = await moment(async () => agent.client.cancel((await asked).json.id, patience()));
    const { code } = await agent.ends((await asked).json.id);
    await note(phase, answer === 'cancelling' ? code : `too late, ${code}`);
  };
  const visitor = await rig.signIn();
  await aborted('draining', 'stop', reached('draining'));
  await visitor.leave();
  await aborted('settling', 'stop', heldIn('settling'));
  await aborted('fencing', 'stop', at('after', 'maint'));
  await told(agent.cli('drain'));
  await note('drained, by ready', (await told(agent.cli('ready'))).json.code);
  await aborted('stopping', 'stop', reached('stopping'));
  await aborted('warming', 'ready', reached('warming'));
  await aborted('returning', 'ready', at('before', 'ready'));
  return compare({ seen }, { seen: ABORTS });
}

async function warmingApplication(stage: FaultStage): Promise<FaultSeen> {
  const [, site] = SITES;
  if (site === undefined) throw new Error('there is no such site');
  const broken = await playRounds(site, ROUNDS.slice(0, 1));
  const rig = await stage.rig({ server: 'weight 1' });
  const agent = await rig.sidecar({ sections: { return: { timeout: '20s', warmUp: '4s' } } });
  await told(agent.cli('drain'));
  const back = told(agent.cli('ready'));
  const weights = await weightsUntil(rig, back);
  const { code, json } = await back;
  const seen = { broken, code, weights, warning: json.warnings.join() };
  return compare(seen, { broken: [], code: 0, weights: [1], warning: /weight 1/ });
}

/** Every weight that HAProxy showed meanwhile, each once. */
async function weightsUntil(rig: Rig, done: Promise<unknown>): Promise<number[]> {
  const seen = new Set<number>();
  let isOver = false;
  const over = done.finally(() => (isOver = true));
  await until('it is over', async () => {
    seen.add(Number(/^\d+/.exec(await rig.haproxy.command('get weight app/app1'))?.[0]));
    return isOver;
  });
  await over;
  return [...seen];
}

async function forcedPost(stage: FaultStage): Promise<FaultSeen> {
  const other = await usableOther(stage);
  const rig = await stage.rig({
    termMs: 50,
    others: `${other.line}  retry-on conn-failure\n  option redispatch\n`,
  });
  const agent = await rig.sidecar();
  const from = performance.now();
  const post = request({
    host: '127.0.0.1',
    port: portOf(rig),
    path: '/?sleep=20000',
    method: 'POST',
    headers: { cookie: 'SRV=app1' },
  });
  const ended = once(post, 'response').then(
    ([response]) => (response as IncomingMessage).statusCode ?? 0,
    () => 'cut',
  );
  post.end('amount=1');
  await until('it is at the node', async () => (await column(rig.haproxy, 'app', 1, 'scur')) === '1');
  const { code, json } = await told(agent.cli('stop', '--timeout', '500ms', '--on-timeout', 'force'));
  const how = await ended;
  const posts = other.stub.requests.filter(({ method }) => method === 'POST').length;
  const seen = {
    code,
    forced: json.forced,
    requests: json.closed.requests,
    replayed: posts,
    isCut: how === 502 || how === 'cut',
  };
  const expected = { code: 0, forced: { atLeast: 1 }, requests: 1, replayed: 0, isCut: true };
  return compare(seen, expected, `ended after ${since(from)} of its 20 s`);
}

export const CAPACITY_FAULTS: readonly Fault[] = [
  {
    number: 11,
    title: 'last healthy node',
    made: 'the only other server is `disabled`; drain, then stop, in direct mode',
    expected: '75 `guard`, and HAProxy and the application unchanged',
    run: lastHealthyNode,
  },
  {
    number: 12,
    title: 'other node dies while we drain',
    made: 'the neighbour ends its listener while a user is waited for, and comes back later',
    expected: 'put back within a second, with an alarm; DRAIN again when it is back, and the stop is done',
    run: neighbourDies,
  },
  {
    number: 13,
    title: 'abort in each phase',
    made: 'runtime weight 50 %; a stop cancelled in draining, settling, fencing, stopping, a return in warming, returning; `ready` once drained',
    expected:
      'before the stop the server is as found: weight, admin state and agent; from the stop on a cancel comes too late, in warming it leaves MAINT, and `ready` puts back what was found',
    run: abortInEachPhase,
  },
  {
    number: 14,
    title: 'return: port open but the application is warming',
    made: 'restarted from outside while its node drains, everything is 503 for 2 s; `ready` under users; and a server of weight 1 with `warmUp`',
    expected: 'no READY before `rise` good probes, no user sees an error, and no weight of 0 by rounding',
    run: warmingApplication,
  },
  {
    number: 15,
    title: 'POST in flight at a forced stop',
    made: 'a POST of 20 s, stop with `--on-timeout force`; the other server counts what comes to it',
    expected: 'it is never sent to the other server, and is counted in `forced`',
    run: forcedPost,
  },
];
