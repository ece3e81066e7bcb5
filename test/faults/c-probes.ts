import type { RequestListener } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import { type Agent, patience, type Rig } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { pidOf, residentMb, since, statusOf } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** Applications that freeze, flap, or answer nonsense to the probe. */

async function frozenApp(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const agent = await rig.sidecar({ probeEvery: '200ms' });
  await agent.reaches('serving');
  const pid = await pidOf(rig);
  process.kill(pid, 'SIGSTOP');
  stage.onEnd(() => process.kill(pid, 'SIGKILL'));
  const from = performance.now();
  const { health } = await agent.reaches('unhealthy');
  const took = since(from);
  const [admin, stops] = [await rig.admin(), await rig.terms()];
  process.kill(pid, 'SIGCONT');
  const { phase } = await agent.reaches('serving');
  const seen = { health, admin, stops, phase };
  return compare(
    seen,
    { health: 'down', admin: 'no check', stops: 0, phase: 'serving' },
    `unhealthy after ${took}`,
  );
}

/** A sidecar whose probe asks this stub. */
async function probing(
  stage: FaultStage,
  answer: RequestListener,
  probe: object = {},
): Promise<{ rig: Rig; agent: Agent; stub: Awaited<ReturnType<FaultStage['stub']>> }> {
  const rig = await stage.rig();
  const stub = await stage.stub(answer);
  const app = { probe: { http: { url: stub.url }, every: '100ms', timeout: '1s', ...probe } };
  return { rig, agent: await rig.sidecar({ sections: { app } }), stub };
}

async function slowProbe(stage: FaultStage): Promise<FaultSeen> {
  const { agent, stub } = await probing(stage, () => undefined, { timeout: '1s' });
  await until('five probes were begun', () => stub.requests.length >= 5);
  const { health } = await statusOf(agent);
  const seen = { mostOpen: stub.mostOpen, health };
  return compare(seen, { mostOpen: 1, health: 'down' }, `${stub.mostOpen} socket open at most`);
}

const FLAP_MS = 15_000;

async function flapping(stage: FaultStage): Promise<FaultSeen> {
  let asked = 0;
  const { rig, agent, stub } = await probing(stage, (_request, response) => {
    asked += 1;
    response.writeHead(asked <= 2 || asked % 2 === 0 ? 200 : 500).end();
  });
  await agent.reaches('serving');
  const phases: Phase[] = [];
  const events = agent.client.events(patience());
  const watching = (async () => {
    for await (const { event, data } of events) {
      if (event === 'status' && phases.at(-1) !== data.phase) phases.push(data.phase);
    }
  })();
  watching.catch(() => undefined);
  await sleep(FLAP_MS);
  const seen = { phases, flaps: stub.requests.length, admin: await rig.admin() };
  const expected = { phases: ['serving'], flaps: { atLeast: 40 }, admin: 'no check' };
  return compare(seen, expected, `${stub.requests.length} answers, ${phases.length - 1} changes of phase`);
}

const BOMB_MB = 50;

async function nonsenseAnswers(stage: FaultStage): Promise<FaultSeen> {
  const elsewhere = await stage.stub((_request, response) => response.end('OK'));
  const endless: RequestListener = (_request, response) => {
    const more = (): boolean => response.write('0'.repeat(1024));
    response.on('drain', more);
    while (more());
  };
  const packed =
    (body: string | Buffer): RequestListener =>
    (_request, response) =>
      void response.writeHead(200, { 'content-encoding': 'gzip' }).end(body);
  // Small enough to be read whole.
  const bomb = gzipSync(Buffer.alloc(BOMB_MB * 1_048_576), { level: 9 });
  const answers: Readonly<Record<string, RequestListener>> = {
    '302': (_request, response) => void response.writeHead(302, { location: elsewhere.url }).end(),
    '500': (_request, response) => void response.writeHead(500).end(),
    endless,
    'false gzip': packed('not gzip at all'),
    bomb: packed(bomb),
  };
  const healths: string[] = [];
  const grown: number[] = [];
  for (const [name, answer] of Object.entries(answers)) {
    const { agent, stub } = await probing(stage, answer);
    await until('a probe is over', () => stub.requests.length >= 2);
    const memory = residentMb(agent.pid);
    await until('four more were begun', () => stub.requests.length >= 6);
    grown.push(residentMb(agent.pid) - memory);
    const { health, phase } = await statusOf(agent);
    healths.push(`${name} ${health} ${phase}`);
    await agent.kill();
  }
  const { agent } = await probing(stage, (_request, response) => response.end('SIGNOUT'), {
    http: {
      url: (await stage.stub((_request, response) => response.end('SIGNOUT'))).url,
      signOut: { body: 'SIGNOUT' },
    },
  });
  const { phase } = await agent.reaches('draining', 'settling', 'fencing', 'drained');
  const isOut = phase !== 'serving';
  const grownMb = Math.round(Math.max(...grown));
  const seen = { healths, followed: elsewhere.requests.length, isOut, packedKb: bomb.length >> 10, grownMb };
  const expected = [
    '302 down unhealthy',
    '500 down unhealthy',
    'endless down unhealthy',
    'false gzip up serving',
    'bomb up serving',
  ];
  return compare(
    seen,
    {
      healths: expected,
      followed: 0,
      isOut: true,
      packedKb: { atMost: 63 },
      grownMb: { atMost: BOMB_MB / 2 },
    },
    `memory +${grownMb} MB at most in four probes, one answered with ${BOMB_MB} MB in ${seen.packedKb} kB`,
  );
}

export const PROBE_FAULTS: readonly Fault[] = [
  {
    number: 35,
    title: 'application frozen',
    made: 'SIGSTOP to the application in service, SIGCONT afterwards',
    expected:
      'unhealthy after `fall` probes, nothing is written to HAProxy, no stop; serving again after SIGCONT',
    run: frozenApp,
  },
  {
    number: 36,
    title: 'probe slower than its interval',
    made: 'a health endpoint that never answers, probed every 100 ms with a timeout of 1 s',
    expected: 'one socket at most',
    run: slowProbe,
  },
  {
    number: 37,
    title: 'health flaps',
    made: 'a health endpoint that answers 200 and 500 in turn, probed every 100 ms for 15 s',
    expected: 'no change of phase within the hysteresis, nothing is written to HAProxy',
    run: flapping,
    corrected: 'as many changes as 2 Hz for 10 minutes are not waited for',
  },
  {
    number: 38,
    title: 'nonsense from the health endpoint',
    made: '302, 500, an endless body, a body that is no gzip, 50 MB of gzip in less than 64 kB, and 200 with the word of a sign-out',
    expected:
      '302, 500 and a body without an end are down, and no redirect is followed; 200 with a whole body is healthy and nothing is unpacked, memory +25 MB at most; the word drains',
    run: nonsenseAnswers,
  },
];
