import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { pidOf, since } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** Applications that ignore SIGTERM, die, or do not come back, and commands that do not stop them. */

async function termIgnored(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 600_000 });
  const signal = { name: 'SIGTERM', pidFile: rig.node.pidFile, killAfter: '1s' };
  const agent = await rig.sidecar({ sections: { app: { stop: { signal } } } });
  const from = performance.now();
  const { code, json } = await told(agent.cli('stop'));
  const took = since(from);
  const sessions = await rig.node.sessions();
  const seen = { code, phase: json.phase, stops: await rig.terms(), isGone: sessions === null };
  return compare(seen, { code: 0, phase: 'stopped', stops: 1, isGone: true }, `stopped after ${took}`);
}

async function diesInTheDrain(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const agent = await rig.sidecar();
  await rig.signIn();
  const { json } = await told(agent.cli('stop', '--no-wait'));
  await agent.reaches('draining');
  process.kill(await pidOf(rig), 'SIGKILL');
  const result = await agent.ends(json.id);
  const seen = {
    code: result.code,
    phase: result.phase,
    warning: result.warnings.join(),
    admin: await rig.admin(),
    stops: await rig.terms(),
  };
  return compare(seen, { code: 'done', phase: 'stopped', warning: /by itself/, admin: 'MAINT', stops: 0 });
}

async function badStopCommands(stage: FaultStage): Promise<FaultSeen> {
  const codes: string[] = [];
  let slowest = 0;
  const dir = await stage.directory();
  const commands: Readonly<Record<string, string>> = {
    'exits 3': 'exit 3',
    hangs: `echo $$ >${join(dir, 'hangs')}; sleep 600 & sleep 600`,
    'prints for ever': 'exec yes',
    'forks away': `setsid sh -c 'echo $$ >${join(dir, 'away')}; exec sleep 600' & exit 0`,
  };
  for (const [name, script] of Object.entries(commands)) {
    const rig = await stage.rig({ termMs: 50 });
    const stop = {
      command: ['sh', '-c', script],
      timeout: '2s',
      gone: { pidFile: rig.node.pidFile },
    };
    const agent = await rig.sidecar({ sections: { app: { stop } } });
    const from = performance.now();
    const { code, json } = await told(agent.cli('stop'));
    slowest = Math.max(slowest, Math.round(performance.now() - from));
    codes.push(`${name}: ${code} ${json.code}, ${await rig.admin()}`);
  }
  const [group, away] = await Promise.all(
    ['hangs', 'away'].map(async (file) => Number(await readFile(join(dir, file), 'utf8'))),
  );
  const seen = { codes, groupLives: lives(-(group ?? 0)), awayLives: lives(-(away ?? 0)), slowest };
  process.kill(-(away ?? 0), 'SIGKILL');
  const expected = Object.keys(commands).map((name) => `${name}: 70 app-stop, MAINT`);
  return compare(
    seen,
    { codes: expected, groupLives: false, awayLives: true, slowest: { atMost: 8_000 } },
    `${slowest} ms at most for a timeout of 2 s`,
  );
}

/** @param pid negative: its whole process group */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function portTaken(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const sections = { return: { timeout: '15s' }, log: { level: 'debug' } };
  const agent = await rig.sidecar({ start: false, sections });
  await until('the application is known', () => agent.log().includes('who answers the probe'));
  const stopped = await told(agent.cli('stop'));
  const { pid } = await stage.stranger(rig.node.port);
  const { code, json } = await told(agent.cli('ready'));
  const isNamed = json.message?.includes(`process ${pid} (perl)`) === true;
  const seen = { stopped: stopped.code, code, said: json.code, isNamed, admin: await rig.admin() };
  return compare(seen, { stopped: 0, code: 70, said: 'app-health', isNamed: true, admin: 'MAINT' });
}

async function neverHealthyAgain(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const flag = join(rig.dir, 'may-start');
  const start = ['sh', '-c', `[ -e ${flag} ] || exit 0; exec "$@"`, 'sh', ...rig.node.startCommand];
  const probe = { http: { url: `${rig.node.url}/health` }, every: '100ms', timeout: '1s' };
  const stop = { signal: { name: 'SIGTERM', pidFile: rig.node.pidFile } };
  const app = { probe, start: { command: start }, stop };
  const agent = await rig.sidecar({ sections: { app, return: { timeout: '4s' } } });
  const failed = await told(agent.cli('restart'));
  const admin = await rig.admin();
  await writeFile(flag, '');
  const back = await told(agent.cli('ready'));
  const seen = {
    code: failed.code,
    said: failed.json.code,
    phase: failed.json.phase,
    admin,
    back: back.code,
  };
  return compare(seen, { code: 70, said: 'app-health', phase: 'failed', admin: 'MAINT', back: 0 });
}

export const APP_FAULTS: readonly Fault[] = [
  {
    number: 33,
    title: 'SIGTERM ignored',
    made: 'the application catches SIGTERM and goes on; `killAfter: 1s`',
    expected: 'SIGTERM once, then SIGKILL; 0 once the process is gone',
    run: termIgnored,
  },
  {
    number: 34,
    title: 'application dies by itself during the drain',
    made: 'kill -9 of the application while a user is waited for',
    expected: 'stopped with a warning, fenced, and no signal is sent',
    run: diesInTheDrain,
  },
  {
    number: 39,
    title: 'stop command fails, hangs, prints for ever, forks away',
    made: 'four stop commands: `exit 3`, two `sleep 600`, `yes`, a `setsid sleep 600` that holds the output while the command ends with 0; `timeout: 2s`, `gone` by the pid file',
    expected:
      '70 `app-stop` each time within 8 s, the node stays in MAINT, and the whole process group of the command that hangs is gone',
    run: badStopCommands,
    corrected:
      'a process in a session of its own (setsid) lives on: lastcall ends the group of its command, and cannot know a daemon that is to stay from one that is not',
  },
  {
    number: 40,
    title: 'another process on the application’s port at the return',
    made: 'after the stop a program of another kind takes the port and answers the URL of the probe with 200; `ready`',
    expected: '70 `app-health`, which names that process, and the node stays in MAINT',
    run: portTaken,
    corrected:
      'the same program as the application, started by hand while no pid file or unit names another process, is taken for it; so is what has the port of a proxy, of a container, or of another machine. A probe by `command` can tell them apart',
  },
  {
    number: 41,
    title: 'application never healthy again',
    made: 'a start command that ends with 0 and starts nothing; `restart`, later `ready`',
    expected: '70 `app-health`, it stays in MAINT; `ready` tries again and is done',
    run: neverHealthyAgain,
  },
];
