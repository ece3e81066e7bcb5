import { once } from 'node:events';
import { Agent as HttpAgent, request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { openWebsocket } from '../support/app-with-open-connections.ts';
import { column, type RigPage, told, type Visitor } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { CONNECTIONS_ONLY, portOf, shows, statusOf, stopsOf, usableOther } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** A drain and the users who are there: requests, sticky users, websockets, queues. */

async function longRequest(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const agent = await rig.sidecar({ sections: CONNECTIONS_ONLY });
  const visitor = await rig.signIn();
  const request9 = visitor.click('/?sleep=9000');
  await until('it is at HAProxy', async () => (await column(rig.haproxy, 'app', 1, 'scur')) === '1');
  const stopping = agent.cli('stop').outcome;
  const page = await request9;
  const ended = performance.now();
  const { code } = await stopping;
  const after = Math.round(performance.now() - ended);
  const seen = { code, request: page.status, served: page.node, stops: await rig.terms() };
  const expected = { code: 0, request: 200, served: 'app1', stops: 1 };
  return compare(seen, expected, `${after} ms from its answer to the end of the stop`);
}

const USERS = 20;

/** Clicks every 500 ms, and logs out at the end. */
async function clicks(visitor: Visitor, seat: number): Promise<readonly RigPage[]> {
  const pages: RigPage[] = [];
  for (let click = 0; click < 4 + (seat % 4); click += 1) {
    pages.push(await visitor.click());
    await sleep(500);
  }
  return [...pages, await visitor.click('/logout')];
}

async function stickyUsers(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const agent = await rig.sidecar({ quiet: '300ms' });
  const visitors = await Promise.all(Array.from({ length: USERS }, () => rig.signIn()));
  const stopping = told(agent.cli('stop'));
  await agent.reaches('draining');
  const users = await Promise.all(visitors.map(clicks));
  const { code, json } = await stopping;
  const pages = users.flat();
  const seen = {
    code,
    counted: json.sessions.start,
    failed: pages.filter(({ status }) => status !== 200).length,
    lost: pages.filter(({ lost, node }) => lost || node !== 'app1').length,
    ...(await stopsOf(rig)),
  };
  const expected = { code: 0, counted: USERS, failed: 0, lost: 0, stops: 1, stoppedWith: 0 };
  return compare(seen, expected, `${pages.length} requests`);
}

async function idleKeepAlive(stage: FaultStage): Promise<FaultSeen> {
  const other = await usableOther(stage);
  const rig = await stage.rig({ cookie: false, others: other.line });
  const http = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  stage.onEnd(() => http.destroy());
  const ask = async (): Promise<{ status: number | undefined; port: number | undefined }> => {
    const outgoing = request({ host: '127.0.0.1', port: portOf(rig), path: '/health', agent: http }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    await text(response);
    return { status: response.statusCode, port: outgoing.socket?.localPort };
  };
  const first = await ask();
  const scur = await column(rig.haproxy, 'app', 1, 'scur');
  const { code } = await rig.direct('drain', '--quiet-for', '0s', '--timeout', '10s').outcome;
  const admin = await rig.admin();
  const next = await ask();
  const seen = { scur, code, admin, next: next.status, sameConnection: next.port === first.port };
  return compare(seen, { scur: '0', code: 0, admin: 'MAINT', next: 200, sameConnection: true });
}

async function endlessWebsocket(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const agent = await rig.sidecar();
  const before = await rig.states();
  const socket = await openWebsocket(portOf(rig), 'SRV=app1');
  const waited = await told(agent.cli('stop', '--timeout', '500ms'));
  const isRestored = (await rig.states()) === before;
  const forced = await told(agent.cli('stop', '--timeout', '500ms', '--on-timeout', 'force'));
  await socket.ended;
  const seen = {
    waited: waited.code,
    isRestored,
    code: forced.code,
    forced: forced.json.forced,
    tunnels: forced.json.closed.tunnels,
    stops: await rig.terms(),
  };
  return compare(seen, { waited: 124, isRestored: true, code: 0, forced: 1, tunnels: 1, stops: 1 });
}

async function userWhoNeverLeaves(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  await rig.haproxy.command('set server app/app1 weight 50%');
  const before = await rig.states();
  const agent = await rig.sidecar();
  const visitor = await rig.signIn();
  const stopping = told(agent.cli('stop', '--timeout', '3s'));
  let pages = 0;
  let isOver = false;
  const over = stopping.finally(() => (isOver = true));
  while (!isOver) {
    if ((await visitor.click()).status === 200) pages += 1;
    await sleep(100);
  }
  const { code, json } = await over;
  const page = await visitor.click();
  const seen = {
    code,
    said: json.code,
    phase: json.phase,
    isRestored: (await rig.states()) === before,
    stops: await rig.terms(),
    lost: page.lost,
  };
  const expected = { code: 124, said: 'deadline', phase: 'serving', isRestored: true, stops: 0, lost: false };
  return compare(seen, expected, `${pages} clicks answered meanwhile`);
}

/** HAProxy keeps the queue of a server that drains, or gives it to the others. */
const QUEUES = { kept: '', moved: '  option redispatch\n' } as const;

async function queuedRequests(stage: FaultStage): Promise<FaultSeen> {
  const kept = await drainWithQueue(stage, 'kept');
  const moved = await drainWithQueue(stage, 'moved');
  return {
    text: `kept: ${kept.text}; moved: ${moved.text}`,
    isAsExpected: kept.isAsExpected && moved.isAsExpected,
  };
}

async function drainWithQueue(stage: FaultStage, queue: keyof typeof QUEUES): Promise<FaultSeen> {
  const other = await usableOther(stage);
  const others = `${other.line}  timeout queue 10s\n${QUEUES[queue]}`;
  const rig = await stage.rig({ server: 'maxconn 1', others });
  const agent = await rig.sidecar({ sections: CONNECTIONS_ONLY });
  const [one, two] = [await rig.signIn(), await rig.signIn()];
  const running = one.click('/?sleep=2500');
  await until('it runs', async () => (await column(rig.haproxy, 'app', 1, 'scur')) === '1');
  const queued = two.click();
  await until('one is queued', async () => (await column(rig.haproxy, 'app', 1, 'qcur')) === '1');
  await until('it is counted', async () => {
    const server = (await statusOf(agent)).balancers[0]?.servers[0];
    return server?.queued === 1;
  });
  const draining = told(agent.cli('drain', '--timeout', '20s'));
  const pages = await Promise.all([running, queued]);
  const { code, json } = await draining;
  await shows(rig.haproxy, 'MAINT');
  const seen = {
    code,
    answers: pages.map(({ status }) => status),
    counted: json.sessions.start,
    moved: pages.filter(({ node }) => node !== 'app1').length,
    redispatches: json.receipt.redispatches,
    forced: json.forced,
  };
  const expected = {
    code: 0,
    answers: [200, 200],
    counted: { atLeast: 1 },
    moved: queue === 'moved' ? 1 : 0,
    redispatches: seen.moved,
    forced: 0,
  };
  return compare(seen, expected);
}

export const DRAIN_FAULTS: readonly Fault[] = [
  {
    number: 1,
    title: 'long request 9 s at drain',
    made: 'a request of 9 s is at the node, then `lastcall stop`; only connections are counted',
    expected: 'the request is answered by its node, and the application is stopped after that',
    run: longRequest,
  },
  {
    number: 2,
    title: '20 sticky users who think 500 ms',
    made: '20 users with sessions click every 500 ms and log out after 4 to 7 clicks, `lastcall stop` meanwhile',
    expected: 'no request fails or moves, and no session lives at the SIGTERM',
    run: stickyUsers,
  },
  {
    number: 4,
    title: 'keep-alive clients idle',
    made: 'a client keeps its connection after an answer; drain; it asks again on the same connection',
    expected: 'an idle connection binds no user: drained at once, and the next request is served elsewhere',
    run: idleKeepAlive,
    corrected:
      'an idle client is no session of the server (scur 0), and loses nothing; `idle` may count it where it has to be waited for',
  },
  {
    number: 5,
    title: 'websocket for ever',
    made: 'a websocket that never ends; stop with the policy restore, then with force',
    expected: '124 and what was found, then 0 with `forced` 1 and one tunnel closed',
    run: endlessWebsocket,
  },
  {
    number: 6,
    title: 'sticky user never leaves',
    made: 'a user clicks every 100 ms without an end, stop with a deadline of 3 s',
    expected: '124 `deadline`, the server as found, weight too, and the session lives on',
    run: userWhoNeverLeaves,
  },
  {
    number: 7,
    title: 'requests queued by maxconn',
    made: 'server with `maxconn 1`: one request runs, another is queued, then drain; once more with `option redispatch`',
    expected:
      'the queued one is counted; both are answered 200 before the fence; the receipt has as many redispatches as requests moved: 0, then 1',
    run: queuedRequests,
  },
];
