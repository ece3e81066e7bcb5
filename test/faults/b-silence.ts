import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { download, openWebsocket } from '../support/app-with-open-connections.ts';
import { lastcall } from '../support/cli.ts';
import { looks } from '../support/looks.ts';
import { statusAt, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { CONNECTIONS_ONLY, isMissed, portOf, settled, shows, since, statusOf, stopsOf } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** HAProxys that do not answer, have no connection left, die, or may not be written to. */

const FROZEN_MS = 10_000;

async function frozenWorker(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const agent = await rig.sidecar();
  const visitor = await rig.signIn();
  const { json } = await told(agent.cli('stop', '--no-wait'));
  await agent.reaches('draining');
  await shows(rig.haproxy, 'DRAIN');
  await rig.haproxy.kill('SIGSTOP');
  const from = performance.now();
  await isMissed(agent);
  await visitor.leave();
  const asked = performance.now();
  const { code: statusCode } = await agent.cli('status').outcome;
  const statusMs = Math.round(performance.now() - asked);
  await sleep(FROZEN_MS - (performance.now() - from));
  const { phase, balancers } = await statusOf(agent);
  const stopsMeanwhile = await rig.terms();
  await rig.haproxy.kill('SIGCONT');
  const result = await agent.ends(json.id);
  const connections = balancers[0]?.servers[0]?.connections;
  const seen = {
    phase,
    connections,
    stopsMeanwhile,
    statusCode,
    statusMs,
    code: result.code,
    stops: await rig.terms(),
  };
  const expected = {
    phase: 'draining',
    connections: null,
    stopsMeanwhile: 0,
    statusCode: 0,
    statusMs: { atMost: 2_000 },
    code: 'done',
    stops: 1,
  };
  return compare(seen, expected, `\`status\` meanwhile in ${statusMs} ms`);
}

async function frozenMaster(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ master: true, termMs: 50 });
  const { socket, masterSocket, pid } = rig.haproxy;
  const balancers = [{ haproxy: `unix:${socket}`, master: `unix:${masterSocket}`, servers: ['app/app1'] }];
  const agent = await rig.sidecar({ sections: { balancers, ...CONNECTIONS_ONLY, reloadGrace: '10m' } });
  const file = await download(portOf(rig), 'SRV=app1');
  await rig.haproxy.reload();
  const { json } = await told(agent.cli('stop', '--no-wait'));
  await until('the old worker is counted', async () => (await statusOf(agent)).sessions.total === 1);
  process.kill(pid, 'SIGSTOP');
  await sleep(4_000);
  const { phase, sessions } = await statusOf(agent);
  const stopsMeanwhile = await rig.terms();
  process.kill(pid, 'SIGCONT');
  await fetch(`${rig.node.url}/finish`, { method: 'POST' });
  const body = await file.ended;
  const result = await agent.ends(json.id);
  const counted = sessions.total === null ? 'unknown' : String(sessions.total);
  const seen = { phase, counted, stopsMeanwhile, body, code: result.code, stops: await rig.terms() };
  const expected = {
    phase: 'draining',
    counted: /^(unknown|1)$/,
    stopsMeanwhile: 0,
    body: 'halfhalf',
    code: 'done',
    stops: 1,
  };
  return compare(seen, expected);
}

async function killedHaproxy(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ master: true, termMs: 50 });
  const agent = await rig.sidecar();
  const visitor = await rig.signIn();
  const { json } = await told(agent.cli('stop', '--no-wait'));
  await until('DRAIN was read back', async () => {
    const [server] = (await statusOf(agent)).balancers[0]?.servers ?? [];
    return server?.applied?.admin === 'drain';
  });
  await rig.haproxy.restart();
  const from = performance.now();
  // However long the sidecar pauses before it asks again: from here on it knows.
  await looks(rig.haproxy, 1);
  const asked = performance.now();
  await shows(rig.haproxy, 'DRAIN');
  const again = Math.round(performance.now() - asked);
  const inAll = since(from);
  const page = await visitor.click();
  await visitor.leave();
  const { code, reasserts } = await agent.ends(json.id);
  const seen = { again, lost: page.lost, code, reasserts: reasserts.count, ...(await stopsOf(rig)) };
  const expected = {
    again: { atMost: 1_000 },
    lost: false,
    code: 'done',
    reasserts: 1,
    stops: 1,
    stoppedWith: 0,
  };
  return compare(seen, expected, `${inAll} from HAProxy's start to DRAIN`);
}

async function fullStatsSocket(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ statsMaxconn: 3 });
  const idle = Array.from({ length: 6 }, () => connect({ path: rig.haproxy.socket }));
  stage.onEnd(() => idle.forEach((socket) => socket.destroy()));
  await Promise.all(idle.map(settled));
  const from = performance.now();
  const full = await told(rig.direct('drain'));
  const took = since(from);
  for (const socket of idle) socket.destroy();
  const after = await told(rig.direct('drain'));
  const seen = { code: full.code, said: full.json.code, stderr: full.stderr, after: after.code };
  const expected = { code: 69, said: 'balancer-unreachable', stderr: /stats maxconn/, after: 0 };
  return compare(seen, expected, `refused after ${took}`);
}

async function olderProcessOnSocket(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ master: true, termMs: 20 });
  const old = await rig.haproxy.workerPid();
  const socket = await openWebsocket(portOf(rig), 'SRV=app1');
  const pid = await rig.haproxy.reload();
  const agent = await rig.sidecar({ sections: { ...CONNECTIONS_ONLY, reloadGrace: '10m' } });
  await agent.reaches('serving');
  const [balancer] = (await statusOf(agent)).balancers;
  const early = await told(agent.cli('stop', '--timeout', '2s'));
  const late = told(agent.cli('stop', '--timeout', '30s'));
  await shows(rig.haproxy, 'DRAIN');
  const stopsMeanwhile = await rig.terms();
  socket.leave();
  const { code } = await late;
  const namesBoth = balancer?.pid === pid && (balancer.error ?? '').includes(`old worker ${old}`);
  const seen = { namesBoth, workers: balancer?.workers, early: early.code, stopsMeanwhile, code };
  return compare(seen, { namesBoth: true, workers: 2, early: 124, stopsMeanwhile: 0, code: 0 });
}

async function operatorSocket(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig();
  const before = await rig.states();
  const words = ['drain', '--haproxy', rig.haproxy.operatorSocket, '--server', 'app/app1', '--json'];
  const { code, json, stderr } = await told(lastcall(words));
  const isUnchanged = (await rig.states()) === before;
  const seen = { code, said: json.code, stderr, isUnchanged };
  return compare(seen, { code: 78, said: 'not-permitted', stderr: /level admin/, isUnchanged: true });
}

async function oneOfThreeDown(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const [second, third] = [await rig.front(), await rig.front()];
  const all = [rig.haproxy, second.haproxy, third.haproxy];
  const balancers = all.map(({ socket }) => ({ haproxy: `unix:${socket}`, servers: ['app/app1'] }));
  const agent = await rig.sidecar({ sections: { balancers } });
  await agent.reaches('serving');
  await third.haproxy.kill('SIGKILL');
  const refused = await told(agent.cli('stop'));
  const before = await Promise.all([rig.haproxy, second.haproxy].map(statusAt));
  await third.haproxy.restart();
  const visitor = await rig.signIn();
  const { json } = await told(agent.cli('stop', '--no-wait'));
  await shows(third.haproxy, 'DRAIN');
  await third.haproxy.kill('SIGSTOP');
  await isMissed(agent, 2);
  await visitor.leave();
  await sleep(3_000);
  const { phase } = await statusOf(agent);
  const stopsMeanwhile = await rig.terms();
  await third.haproxy.kill('SIGCONT');
  const result = await agent.ends(json.id);
  const after = await Promise.all(all.map(statusAt));
  const seen = { code: refused.code, before, phase, stopsMeanwhile, ended: result.code, after };
  return compare(seen, {
    code: 69,
    before: ['no check', 'no check'],
    phase: 'draining',
    stopsMeanwhile: 0,
    ended: 'done',
    after: ['MAINT', 'MAINT', 'MAINT'],
  });
}

export const SILENCE_FAULTS: readonly Fault[] = [
  {
    number: 20,
    title: 'HAProxy frozen for 10 s',
    made: 'SIGSTOP to HAProxy while draining, the user leaves meanwhile, SIGCONT after 10 s',
    expected: 'unknown is not zero: no stop before it answers again, and `status` answers within 2 s',
    run: frozenWorker,
  },
  {
    number: 21,
    title: 'master frozen',
    made: 'an old worker holds a download, stop, SIGSTOP to the master for 4 s',
    expected: 'its users are unknown or still counted, never 0: no stop before its last byte',
    run: frozenMaster,
  },
  {
    number: 22,
    title: 'kill -9 of master and worker, and a start',
    made: 'kill -9 of all of HAProxy while draining, then another start of it',
    expected: 'DRAIN is set again within a second of its first answer to the sidecar, and the stop is done',
    run: killedHaproxy,
  },
  {
    number: 23,
    title: 'stats socket full',
    made: '`stats maxconn 3` and six idle connections, then drain',
    expected: 'bounded: 69 with a hint at `stats maxconn`; done when they have left',
    run: fullStatsSocket,
  },
  {
    number: 24,
    title: 'old process lives on beside the one on the socket',
    made: 'reload before the sidecar starts, no master socket, a websocket on the old worker',
    expected: 'the pid of both is known, 124 while the old one lives, stopped once it has gone',
    run: olderProcessOnSocket,
    corrected: 'made with a real reload; a new process that fails to take the socket over is not made',
  },
  {
    number: 26,
    title: 'socket of level operator',
    made: 'drain by a second stats socket, of level operator',
    expected: '78 `not-permitted`, and nothing changed',
    run: operatorSocket,
  },
  {
    number: 27,
    title: 'one of 3 balancers down before, or during',
    made: 'kill -9 of the third, stop; then it is back, stop, and SIGSTOP to it',
    expected:
      '69 with nothing changed at the others; then waits until it answers, and all three are in MAINT',
    run: oneOfThreeDown,
  },
];
