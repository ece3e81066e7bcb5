import type { RequestListener } from 'node:http';
import { openWebsocket } from '../support/app-with-open-connections.ts';
import { patience, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { portOf, statusOf } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** Counts of sessions that bounce, contradict each other, or cannot be believed. */

async function bouncingCount(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig();
  let isUnderWay = false;
  const script = ['0', '1', '0', '1', '1'];
  const zeros: number[] = [];
  const stub = await stage.stub((_request, response) => {
    const next = isUnderWay ? (script.shift() ?? '0') : '1';
    if (next === '0') zeros.push(performance.now());
    else zeros.length = 0;
    response.end(next);
  });
  const agent = await rig.sidecar({ quiet: '2s', sections: { sessions: [{ http: { url: stub.url } }] } });
  const phases: string[] = [];
  const { json } = await told(agent.cli('drain', '--no-wait'));
  await agent.reaches('draining');
  isUnderWay = true;
  for await (const { event, data } of agent.client.events(patience())) {
    if (event !== 'status') continue;
    if (phases.at(-1) !== data.phase) phases.push(data.phase);
    if (data.phase === 'fencing' || data.phase === 'drained') break;
  }
  const quiet = Math.round(performance.now() - (zeros[0] ?? 0));
  const result = await agent.ends(json.id);
  const restarts = phases.filter((phase) => phase === 'settling').length - 1;
  const seen = { code: result.code, scriptLeft: script.length, quiet, restarts };
  const expected = { code: 'done', scriptLeft: 0, quiet: { atLeast: 1_900 }, restarts: { atLeast: 1 } };
  return compare(seen, expected, `${quiet} ms of zero before the fence, where 2,000 are asked for`);
}

async function lyingCount(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const stub = await stage.stub((_request, response) => response.end('0'));
  const agent = await rig.sidecar({ sections: { sessions: [{ http: { url: stub.url } }] } });
  const sockets = await Promise.all([1, 2, 3].map(() => openWebsocket(portOf(rig), 'SRV=app1')));
  const { json } = await told(agent.cli('stop', '--no-wait'));
  await agent.reaches('draining');
  const asked = stub.requests.length;
  await until('the source has said 0 four times', () => stub.requests.length >= asked + 4);
  const status = await statusOf(agent);
  const stopsMeanwhile = await rig.terms();
  for (const socket of sockets) socket.leave();
  const result = await agent.ends(json.id);
  const seen = {
    phase: status.phase,
    connections: status.balancers[0]?.servers[0]?.connections,
    stopsMeanwhile,
    code: result.code,
    stops: await rig.terms(),
  };
  return compare(seen, { phase: 'draining', connections: 3, stopsMeanwhile: 0, code: 'done', stops: 1 });
}

/** Drains with each of these sources in turn; how each ended. */
async function drainsBy(
  stage: FaultStage,
  sources: Readonly<Record<string, RequestListener>>,
): Promise<{ codes: string[]; isRestored: boolean }> {
  const rig = await stage.rig();
  const before = await rig.states();
  const codes: string[] = [];
  for (const [name, listener] of Object.entries(sources)) {
    const stub = await stage.stub(listener);
    const words = ['--sessions', stub.url, '--quiet-for', '0s', '--timeout', '700ms'];
    const { code, json } = await told(rig.direct('drain', ...words));
    codes.push(`${name} ${code} ${json.code}`);
  }
  return { codes, isRestored: (await rig.states()) === before };
}

const says =
  (body: string, status = 200): RequestListener =>
  (_request, response) =>
    void response.writeHead(status).end(body);

async function countThatFails(stage: FaultStage): Promise<FaultSeen> {
  const sources = { '500': says('0', 500), 'no answer': () => undefined, words: says('none') };
  const { codes, isRestored } = await drainsBy(stage, sources);
  const expected = Object.keys(sources).map((name) => `${name} 124 deadline`);
  return compare({ codes, isRestored }, { codes: expected, isRestored: true });
}

async function countThatIsNone(stage: FaultStage): Promise<FaultSeen> {
  const sources = {
    '-1': says('-1'),
    '1e309': says('1e309'),
    '0abc': says('0abc'),
    NaN: says('NaN'),
    '10 MB': says('0'.repeat(10_000_000)),
  };
  const { codes, isRestored } = await drainsBy(stage, sources);
  const expected = Object.keys(sources).map((name) => `${name} 124 deadline`);
  return compare({ codes, isRestored }, { codes: expected, isRestored: true });
}

export const COUNT_FAULTS: readonly Fault[] = [
  {
    number: 3,
    title: 'session count falls to 0 and bounces to 1',
    made: 'a count endpoint that says 0, 1, 0, 1, 1 and then 0, with `quiet: 2s`',
    expected: 'the quiet time begins anew with each bounce, and is whole before the fence',
    run: bouncingCount,
  },
  {
    number: 8,
    title: 'count endpoint says 0, HAProxy says 3',
    made: 'three websockets through HAProxy, and a count endpoint that says 0',
    expected: 'the larger one wins: the application is stopped only when the connections are gone, too',
    run: lyingCount,
    corrected: 'no warning is due: users who are not counted as sessions are connections all the same',
  },
  {
    number: 9,
    title: 'count endpoint 500, silent, not a number',
    made: 'three endpoints, one after the other, a drain by each with a deadline of 700 ms',
    expected: 'unknown is not zero: 124 `deadline` each time, and the server as found',
    run: countThatFails,
  },
  {
    number: 10,
    title: 'count of -1, 1e309, 0abc, NaN, 10 MB',
    made: 'five endpoints, one after the other, a drain by each with a deadline of 700 ms',
    expected: 'unknown is not zero: 124 `deadline` each time, and the server as found',
    run: countThatIsNone,
  },
];
