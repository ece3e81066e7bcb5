import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastcall } from '../support/cli.ts';
import { patience, type Rig, told } from '../support/rig.ts';
import { packageRoot } from '../support/sample.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { shows, statusOf, stopsOf } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** The sidecar is ended, away for long, there twice, its clock jumps, its record is damaged. */

async function terminated(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const first = await rig.sidecar();
  const visitor = await rig.signIn();
  const { json } = await told(first.cli('stop', '--no-wait', '--timeout', '30s'));
  await shows(rig.haproxy, 'DRAIN');
  await first.stop();
  const between = await rig.admin();
  const second = await rig.sidecar();
  await second.reaches('draining');
  const page = await visitor.click();
  await visitor.leave();
  const { code } = await second.ends(json.id);
  const seen = { between, lost: page.lost, code, ...(await stopsOf(rig)) };
  return compare(seen, { between: 'DRAIN', lost: false, code: 'done', stops: 1, stoppedWith: 0 });
}

const AWAY_MS = 8_000;

async function longAway(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const first = await rig.sidecar();
  const visitor = await rig.signIn();
  const { json } = await told(first.cli('stop', '--no-wait', '--timeout', '30s'));
  await shows(rig.haproxy, 'DRAIN');
  await first.kill();
  await sleep(AWAY_MS);
  const second = await rig.sidecar();
  const { phase, operation } = await second.reaches('draining');
  const age = operation?.seconds ?? 0;
  await visitor.leave();
  const { code } = await second.ends(json.id);
  const seen = { phase, age, code, ...(await stopsOf(rig)) };
  const expected = {
    phase: 'draining',
    age: { atLeast: AWAY_MS / 1000 },
    code: 'done',
    stops: 1,
    stoppedWith: 0,
  };
  return compare(seen, expected, `\`status\` says ${age.toFixed(1)} s`);
}

async function secondSidecar(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig();
  const agent = await rig.sidecar();
  await agent.reaches('serving');
  const config = join(rig.dir, 'app1.yaml');
  const same = await lastcall(['run', '-c', config]).outcome;
  const other = await lastcall(['run', '-c', config, '--socket', join(rig.dir, 'other.sock')]).outcome;
  const { phase } = await statusOf(agent);
  const seen = { codes: [same.code, other.code], stderr: same.stderr, phase };
  return compare(seen, { codes: [75, 75], stderr: /another sidecar/, phase: 'serving' });
}

const DAY_MS = 86_400_000;

async function clockJumps(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const before = await rig.states();
  const ahead = join(rig.dir, 'ahead');
  await writeFile(ahead, '0');
  const clock = join(packageRoot(), 'dist', 'test', 'fixtures', 'steps-clock.js');
  const env = { NODE_OPTIONS: `--import=${clock}`, STEPS_CLOCK: ahead };
  const agent = await rig.sidecar({ env });
  await agent.reaches('serving');
  await rig.signIn();
  const took: number[] = [];
  const codes: string[] = [];
  for (const step of [DAY_MS, -DAY_MS]) {
    const from = performance.now();
    const { json } = await told(agent.cli('stop', '--no-wait', '--timeout', '4s'));
    await shows(rig.haproxy, 'DRAIN');
    await writeFile(ahead, String(step));
    codes.push((await agent.ends(json.id)).code);
    took.push(Math.round(performance.now() - from));
  }
  const isRestored = (await rig.states()) === before;
  const [forwards = 0, backwards = 0] = took;
  const seen = { codes, forwards, backwards, isRestored, stops: await rig.terms() };
  const within = { atLeast: 3_900, atMost: 8_000 };
  const expected = {
    codes: ['deadline', 'deadline'],
    forwards: within,
    backwards: within,
    isRestored: true,
    stops: 0,
  };
  return compare(seen, expected, `${took.join(' and ')} ms for a deadline of 4 s`);
}

const DAMAGES: Readonly<Record<string, (whole: string) => string>> = {
  empty: () => '',
  cut: (whole) => whole.slice(0, whole.length / 2),
  NUL: (whole) => '\0'.repeat(whole.length),
  'other version': (whole) => whole.replace(/"schema":\d+/, '"schema":9999'),
  'another node’s': (whole) => whole.replace('"app1"', '"app9"'),
};

async function damagedRecord(stage: FaultStage): Promise<FaultSeen> {
  const found: string[] = [];
  for (const [name, damage] of Object.entries(DAMAGES)) {
    const rig = await stage.rig();
    found.push(`${name}: ${await afterDamage(rig, damage)}`);
    await rig.close();
  }
  const expected = Object.keys(DAMAGES).map((name) => `${name}: put aside, operator, held, unchanged`);
  return compare({ found }, { found: expected });
}

async function afterDamage(rig: Rig, damage: (whole: string) => string): Promise<string> {
  const first = await rig.sidecar();
  await told(first.cli('drain'));
  await first.kill();
  const state = join(rig.dir, 'app1.json');
  const whole = await readFile(state, 'utf8');
  const damaged = damage(whole);
  if (damaged === whole) return 'not damaged';
  await writeFile(state, damaged);
  const before = await rig.states();
  const second = await rig.sidecar();
  await second.reaches('serving');
  const [server] = (await second.client.status(patience())).balancers[0]?.servers ?? [];
  const aside = (await readdir(rig.dir)).some((name) => name.startsWith('app1.json.bad-'));
  const { json } = await told(second.cli('ready'));
  const isSame = (await rig.states()) === before;
  return [
    aside ? 'put aside' : 'not put aside',
    server?.owner,
    json.code,
    isSame ? 'unchanged' : 'changed',
  ].join(', ');
}

export const SIDECAR_FAULTS: readonly Fault[] = [
  {
    number: 51,
    title: 'SIGTERM to the sidecar while draining',
    made: 'SIGTERM to it while a user is waited for, then another start',
    expected: 'the node stays in DRAIN, the next one resumes and stops after the last user',
    run: terminated,
  },
  {
    number: 52,
    title: 'sidecar dead for long in the middle of a drain',
    made: 'kill -9 of it while a user is waited for, another start 8 s later',
    expected: 'it resumes, `status` has the whole age, and it stops after the last user',
    run: longAway,
    corrected:
      'an hour is not waited for; that the deadline counts on over it is in test/lifecycle with an injected clock',
  },
  {
    number: 53,
    title: 'two sidecars for one node',
    made: 'a second `lastcall run` with the same file, and one at another control socket',
    expected: '75 for both, and the first goes on',
    run: secondSidecar,
  },
  {
    number: 54,
    title: 'wall clock +1 day, then -1 day',
    made: 'the sidecar’s calendar is set forwards, then back, while a stop with a deadline of 4 s waits for a user',
    expected: 'deadlines are by the monotonic clock: 124 `deadline` after 4 s both times',
    run: clockJumps,
  },
  {
    number: 55,
    title: 'record empty, cut, NUL, other version, another node’s',
    made: 'drained, kill -9 of the sidecar, five damages of its file, another start',
    expected:
      'put aside, nothing written to HAProxy, the MAINT is an operator’s, `ready` is refused with `held`',
    run: damagedRecord,
  },
];
