import { join } from 'node:path';
import { askHttp } from '../support/ask-http.ts';
import { lastcall } from '../support/cli.ts';
import type { Phase, StatusServer } from '../../agent/lifecycle/model/api.ts';
import { runOperators } from '../support/operator-campaign.ts';
import { openPool } from '../support/pool.ts';
import { freePort } from '../support/ports.ts';
import { startRecorder } from '../support/recorder.ts';
import { type Agent, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { shows, statusOf, stopsOf } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** Several callers at once, and callers who go away. */

async function fiftyDrains(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig();
  const audit = join(rig.dir, 'audit.log');
  const agent = await rig.sidecar({ sections: { audit } });
  const visitor = await rig.signIn();
  const running = Array.from({ length: 50 }, () => agent.plain('drain', '--timeout', '50s'));
  await Promise.all(running.map((one) => one.said('drain ')));
  await visitor.leave();
  const outcomes = await Promise.all(running.map(({ outcome }) => outcome));
  const seen = {
    codes: [...new Set(outcomes.map(({ code }) => code))],
    joined: outcomes.filter(({ stdout }) => stdout.includes('drain joined')).length,
    admin: await rig.admin(),
  };
  return compare(seen, { codes: [0], joined: 49, admin: 'MAINT' });
}

async function drainAndReady(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig();
  const recorder = await startRecorder(rig.haproxy.socket, join(rig.dir, 'rec.sock'));
  stage.onEnd(() => recorder.close());
  const balancers = [{ haproxy: recorder.socket, servers: ['app/app1'] }];
  const agent = await rig.sidecar({ sections: { balancers } });
  await agent.reaches('serving');
  await rig.signIn();
  const [drained, back] = await Promise.all([
    told(agent.cli('drain', '--timeout', '3s')),
    told(agent.cli('ready')),
  ]);
  const words = recorder.exchanges.filter(({ line }) => line.startsWith('set server')).length;
  const codes = [drained.json.code, back.json.code];
  const seen = { codes: codes.join(), words, admin: await rig.admin(), phase: (await statusOf(agent)).phase };
  const expected = {
    codes: /^(cancelled|deadline|busy),done$/,
    words: { atMost: 2 },
    admin: 'no check',
    phase: 'serving',
  };
  return compare(seen, expected, `${words} writes to HAProxy`);
}

/** What an operator sets, in which phase, and what comes of it. */
const OPERATORS = [
  'ready in draining: DRAIN again',
  'ready in settling: DRAIN again',
  'ready in drained: MAINT again',
  'ready in stopped: MAINT again',
  'maint in serving: held, MAINT; then done, no check',
  'maint in draining: held, MAINT; then done, no check',
  'maint in settling: held, MAINT; then done, no check',
];

const COMMANDS = 300;

async function operatorsType(stage: FaultStage): Promise<FaultSeen> {
  const inPhases = await operatorsInPhases(stage);
  const { overrides, commands, foreign, writes, terms } = await runOperators(14, COMMANDS);
  const seen = { inPhases, overrides: overrides.length, commands, terms, foreign, writes };
  const some = { atLeast: 1 };
  const none = { overrides: 0, terms: 0 };
  return compare(seen, { inPhases: OPERATORS, commands: COMMANDS, ...none, foreign: some, writes: some });
}

async function operatorsInPhases(stage: FaultStage): Promise<string[]> {
  const rig = await stage.rig({ termMs: 50 });
  const agent = await rig.sidecar({ quiet: '3s' });
  await agent.reaches('serving');
  const seen: string[] = [];
  const sets = (admin: string): Promise<string> => rig.haproxy.command(`set server app/app1 state ${admin}`);
  const ours = async (): Promise<Partial<StatusServer>> =>
    (await statusOf(agent)).balancers[0]?.servers[0] ?? {};
  const begins = async (verb: 'drain' | 'stop', phase: Phase): Promise<void> => {
    await told(agent.cli(verb, '--no-wait'));
    await agent.reaches(phase);
  };
  const isReadied = async (phase: Phase, status: string): Promise<void> => {
    await shows(rig.haproxy, status);
    await sets('ready');
    await shows(rig.haproxy, status);
    seen.push(`ready in ${phase}: ${status} again`);
  };
  const isHeld = async (phase: Phase): Promise<void> => {
    await sets('maint');
    await until('the sidecar has seen the MAINT', async () => {
      const { admin, owner } = await ours();
      return admin === 'maint' && owner === 'operator';
    });
    // A drain goes around it, and has nothing to end.
    if (phase === 'serving') await told(agent.cli('drain'));
    const { json } = await told(agent.cli('ready'));
    const left = await rig.admin();
    await sets('ready');
    await until('the sidecar has seen its end', async () => (await ours()).owner !== 'operator');
    const back = await told(agent.cli('ready'));
    seen.push(`maint in ${phase}: ${json.code}, ${left}; then ${back.json.code}, ${await rig.admin()}`);
  };
  const first = await rig.signIn();
  await begins('drain', 'draining');
  await isReadied('draining', 'DRAIN');
  await first.leave();
  await agent.reaches('settling');
  await isReadied('settling', 'DRAIN');
  await agent.reaches('drained');
  await isReadied('drained', 'MAINT');
  await told(agent.cli('stop'));
  await isReadied('stopped', 'MAINT');
  await told(agent.cli('ready'));
  await isHeld('serving');
  const second = await rig.signIn();
  await begins('stop', 'draining');
  await isHeld('draining');
  await second.leave();
  await begins('stop', 'settling');
  await isHeld('settling');
  return seen;
}

async function endedClients(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const before = await rig.states();
  const visitor = await rig.signIn();
  const took: number[] = [];
  const words = ['stop', '--haproxy', rig.haproxy.socket, '--server', 'app/app1'];
  const ways = ['--sessions', `${rig.node.url}/sessions`, '--stop-pid', rig.node.pidFile];
  const direct = lastcall([...words, ...ways]);
  await direct.said('draining');
  await shows(rig.haproxy, 'DRAIN');
  const codes = [await endedBy(direct, 'SIGINT', took)];
  const isRestored = (await rig.states()) === before;
  const agent = await rig.sidecar();
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGKILL'] as const) {
    const running = agent.plain('drain', '--timeout', '50s');
    await running.said('draining');
    codes.push(await endedBy(running, signal, took));
  }
  const { phase } = await statusOf(agent);
  const page = await visitor.click();
  await visitor.leave();
  await agent.reaches('drained');
  const seen = { codes, isRestored, phase, lost: page.lost, slowest: Math.max(...took) };
  const expected = {
    codes: ['130', '130', '130', 'SIGKILL'],
    isRestored: true,
    phase: 'draining',
    lost: false,
    slowest: { atMost: 2_000 },
  };
  return compare(seen, expected, `answered within ${Math.max(...took)} ms`);
}

async function endedBy(
  running: ReturnType<typeof lastcall>,
  signal: NodeJS.Signals,
  took: number[],
): Promise<string> {
  const from = performance.now();
  running.child.kill(signal);
  const { code, signal: by } = await running.outcome;
  took.push(Math.round(performance.now() - from));
  return String(code ?? by);
}

async function frozenHolder(stage: FaultStage): Promise<FaultSeen> {
  const pool = await openPool({ size: 4, pool: { slots: 1 } });
  stage.onEnd(() => pool.close());
  const [one, two, three, four] = pool.nodes;
  if (!one || !two || !three || !four) throw new Error('the pool has four nodes');
  const watched = pool.watch();
  await one.ask('drain');
  process.kill(one.agent.pid, 'SIGSTOP');
  const refused = await Promise.all(
    [two, three, four].map((node) => node.ask('drain', { waitForSlot: '8s' })),
  );
  process.kill(one.agent.pid, 'SIGCONT');
  const back = await one.ask('ready');
  const next = await two.ask('drain', { waitForSlot: '20s' });
  const { out, looks } = await watched.end();
  const seen = { refused: refused.map(({ code }) => code), back: back.code, next: next.code, mostOut: out };
  const expected = { refused: ['locked', 'locked', 'locked'], back: 'done', next: 'done', mostOut: 1 };
  return compare(seen, expected, `${looks} looks at HAProxy, ${out} node out at most`);
}

async function threeCallers(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const port = await freePort();
  const listen = { control: join(rig.dir, 'app1.sock'), hooks: { address: `127.0.0.1:${port}` } };
  const agent = await rig.sidecar({ sections: { listen } });
  await agent.reaches('serving');
  const visitor = await rig.signIn();
  const hook = askHttp(port, { path: '/hooks/prestop' });
  const stopping = [agent.cli('stop', '--no-refuse'), agent.cli('drain'), agent.cli('stop')];
  await waitsFor(agent, rig);
  await visitor.leave();
  const outcomes = await Promise.all(stopping.map(({ outcome }) => outcome));
  const seen = {
    hook: (await hook).status,
    codes: outcomes.map(({ code }) => code),
    ...(await stopsOf(rig)),
  };
  return compare(seen, { hook: 200, codes: [0, 0, 0], stops: 1, stoppedWith: 0 });
}

/** Resolves once a stop is under way and DRAIN is there. */
async function waitsFor(agent: Agent, rig: Rig): Promise<void> {
  await until('a stop is under way', async () => (await statusOf(agent)).operation?.operation === 'stop');
  await shows(rig.haproxy, 'DRAIN');
}

export const OPERATOR_FAULTS: readonly Fault[] = [
  {
    number: 56,
    title: '50 `drain` commands at once',
    made: '50 processes of `lastcall drain` at one sidecar, while a user is there',
    expected: 'one operation, which the 49 others join; each ends with 0',
    run: fiftyDrains,
  },
  {
    number: 57,
    title: 'drain and ready together',
    made: '`lastcall drain` and `lastcall ready` start in the same moment, while a user is there',
    expected: 'no oscillation: at most one DRAIN and one READY, and `ready` is done',
    run: drainAndReady,
    corrected: '`ready` during a drain cancels it; a drain during `ready` is refused (75 `busy`)',
  },
  {
    number: 58,
    title: 'operators type at HAProxy',
    made: '`state ready` in draining, settling, drained, stopped; `state maint` in serving (then `drain`), draining, settling, then `ready`; and 300 random commands of an operator (state, weight, agent) and of callers, seed 14',
    expected:
      '`ready`: DRAIN or MAINT is set again; `maint`: `ready` is 75 `held`, and it stays until its owner ends it; of the random ones no MAINT or DRAIN is overridden, and the application has no SIGTERM',
    run: operatorsType,
    corrected:
      'once drained or stopped a MAINT of an operator is the one that is there already, and cannot be told from ours; 10,000 random commands are in `npm run test:long -- long/operators`',
    deadlineMs: 180_000,
  },
  {
    number: 59,
    title: 'Ctrl-C, SIGHUP, kill -9 of the command',
    made: 'SIGINT in direct mode; SIGINT, SIGHUP and SIGKILL to commands that wait for a sidecar',
    expected: '130 within 2 s; direct mode restores what was found, with a sidecar the drain goes on',
    run: endedClients,
  },
  {
    number: 60,
    title: 'one slot, four sidecars, the holder frozen',
    made: 'the holder’s sidecar is sent SIGSTOP while drained, the three others ask for 8 s; then SIGCONT',
    expected:
      'never two nodes out: `locked` three times; after `ready` of the holder the next one has the slot',
    run: frozenHolder,
    corrected: 'the lock of one machine is tried; that of etcd needs an etcd (test/e2e/dead-holder.test.ts)',
  },
  {
    number: 61,
    title: 'preStop hook, `systemctl stop` and command together',
    made: 'the preStop port, `lastcall stop --no-refuse` (what the drop-in of the unit calls), a drain and a stop in one moment',
    expected: 'one operation: each is answered well, and one SIGTERM comes',
    run: threeCallers,
    corrected: 'the real `systemctl stop` is in `npm run test:host`',
  },
];
