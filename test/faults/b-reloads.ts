import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { download } from '../support/app-with-open-connections.ts';
import { openReloadCampaign, RELOADED_IN } from '../support/reload-campaign.ts';
import { brokenBy } from '../support/reload-verdict.ts';
import { type Agent, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { CONNECTIONS_ONLY, descriptorsOf, portOf, shows, since, statusOf } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** Reloads of HAProxy, and what they leave behind or take away. */

/** Beside a HAProxy with a master socket. */
const besideMaster = (rig: Rig, sections: object = {}): Promise<Agent> => {
  const { socket, masterSocket } = rig.haproxy;
  const balancers = [{ haproxy: `unix:${socket}`, master: `unix:${masterSocket}`, servers: ['app/app1'] }];
  return rig.sidecar({ sections: { balancers, ...sections } });
};

async function reloadInEachPhase(stage: FaultStage): Promise<FaultSeen> {
  const campaign = await openReloadCampaign();
  stage.onEnd(() => campaign.close());
  const broken: string[] = [];
  const [tally, longest] = [{ failed: 0, leaked: 0, stops: 0 }, [0]];
  for (const keepsState of [true, false]) {
    for (const phase of RELOADED_IN) {
      const report = await campaign.reloadIn(phase, keepsState);
      broken.push(...brokenBy(report, phase, keepsState).map((text) => `${phase}: ${text}`));
      tally.failed += report.failed;
      tally.stops += report.stops;
      if (keepsState) tally.leaked += report.leaked ?? 0;
      longest.push(...report.untilSaid);
    }
  }
  const rounds = 2 * RELOADED_IN.length;
  const seen = { broken, stops: tally.stops, leakedWithStateFile: tally.leaked };
  const figure = `set again after at most ${Math.max(...longest)} exchanges, ${rounds} reloads`;
  return compare(seen, { broken: [], stops: rounds, leakedWithStateFile: 0 }, figure);
}

async function oldWorkerWithRequest(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ master: true, termMs: 50 });
  const agent = await besideMaster(rig, { ...CONNECTIONS_ONLY, reloadGrace: '100ms' });
  const file = await download(portOf(rig), 'SRV=app1');
  const { json } = await told(agent.cli('stop', '--no-wait'));
  await agent.reaches('draining');
  const pid = await rig.haproxy.reload();
  await until('the new worker was seen', async () => {
    const { balancers, sessions } = await statusOf(agent);
    return balancers[0]?.pid === pid && sessions.total === 1;
  });
  const stopsMeanwhile = await rig.terms();
  await fetch(`${rig.node.url}/finish`, { method: 'POST' });
  const body = await file.ended;
  const ended = performance.now();
  const result = await agent.ends(json.id);
  const seen = { stopsMeanwhile, body, code: result.code, forced: result.forced, stops: await rig.terms() };
  const expected = { stopsMeanwhile: 0, body: 'halfhalf', code: 'done', forced: 0, stops: 1 };
  return compare(seen, expected, `${since(ended)} from its end to the end of the stop`);
}

async function tenReloads(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ master: true, termMs: 50 });
  const agent = await besideMaster(rig);
  const visitor = await rig.signIn();
  const { json } = await told(agent.cli('stop', '--no-wait'));
  await agent.reaches('draining');
  await shows(rig.haproxy, 'DRAIN');
  const before = descriptorsOf(agent.pid);
  const from = performance.now();
  for (let count = 0; count < 10; count += 1) await rig.haproxy.reload();
  const took = since(from);
  await shows(rig.haproxy, 'DRAIN');
  const page = await visitor.click();
  const stopsMeanwhile = await rig.terms();
  const after = await until('the descriptors are back', () => {
    const now = descriptorsOf(agent.pid);
    return now <= before + 2 && `${now - before} more`;
  });
  await visitor.leave();
  const result = await agent.ends(json.id);
  const seen = { stopsMeanwhile, lost: page.lost, code: result.code, stops: await rig.terms(), after };
  const expected = { stopsMeanwhile: 0, lost: false, code: 'done', stops: 1, after: /more$/ };
  return compare(seen, expected, `10 reloads in ${took}, ${after} descriptors`);
}

async function failedReload(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ master: true });
  const agent = await besideMaster(rig);
  await told(agent.cli('drain'));
  const pid = await rig.haproxy.workerPid();
  await rig.haproxy.rewrite('backend app\n  no-such-keyword\n');
  await rig.haproxy.reloadInVain();
  const { phase, reasserts, balancers } = await statusOf(agent);
  const seen = {
    phase,
    admin: await rig.admin(),
    reasserts: reasserts.count,
    samePid: balancers[0]?.pid === pid && (await rig.haproxy.workerPid()) === pid,
  };
  return compare(seen, { phase: 'drained', admin: 'MAINT', reasserts: 0, samePid: true });
}

async function serverRemoved(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ master: true, termMs: 50 });
  const agent = await besideMaster(rig);
  const user = await rig.signIn();
  const stopping = told(agent.cli('stop'));
  await shows(rig.haproxy, 'DRAIN');
  await rig.haproxy.rewrite('defaults\n  mode http\nbackend app\n  server app2 127.0.0.1:1\n');
  await rig.haproxy.reload();
  await until('it is missed', async () => (await statusOf(agent)).alarms.join().includes('was removed'));
  const stopsMeanwhile = await rig.terms();
  await user.leave();
  const { code, json } = await stopping;
  const seen = { stopsMeanwhile, code, warning: json.warnings.join(), stops: await rig.terms() };
  return compare(seen, { stopsMeanwhile: 0, code: 0, warning: /was removed from HAProxy/, stops: 1 });
}

async function serverRenamed(stage: FaultStage): Promise<FaultSeen> {
  const removed = await serverRemoved(stage);
  const rig = await stage.rig({ master: true });
  const config = await readFile(join(rig.dir, 'haproxy.cfg'), 'utf8');
  const ours = config.slice(config.indexOf('defaults'));
  await rig.haproxy.rewrite(ours.replace('server app1 ', 'server node1 '));
  await rig.haproxy.reload();
  const { code, json } = await told(rig.direct('drain'));
  const renamed = compare(
    { code, said: json.code, message: json.message ?? '' },
    { code: 78, said: 'no-such-server', message: /app1/ },
  );
  const isAsExpected = removed.isAsExpected && renamed.isAsExpected;
  return { text: `removed: ${removed.text}; renamed: ${renamed.text}`, isAsExpected };
}

async function staleStateFile(stage: FaultStage): Promise<FaultSeen> {
  const file = join(await stage.directory(), 'server-state');
  const others =
    `  server app2 127.0.0.1:1 cookie app2\n  load-server-state-from-file global\n` +
    `global\n  server-state-file ${file}\n`;
  const rig = await stage.rig({ others });
  await rig.haproxy.command('set server app/app1 state drain');
  await writeFile(file, await rig.haproxy.command('show servers state'));
  await rig.haproxy.restart();
  const found = await rig.admin();
  const agent = await rig.sidecar();
  await agent.reaches('serving');
  const drained = await told(agent.cli('drain'));
  const [server] = (await statusOf(agent)).balancers[0]?.servers ?? [];
  const seen = {
    found,
    owner: server?.owner,
    code: drained.code,
    said: drained.json.code,
    admin: await rig.admin(),
  };
  return compare(seen, { found: 'DRAIN', owner: 'operator', code: 75, said: 'held', admin: 'DRAIN' });
}

export const RELOAD_FAULTS: readonly Fault[] = [
  {
    number: 16,
    title: 'reload in each phase',
    made: 'SIGUSR2 to the master in 10 moments of a stop and a return, under users who come and go, with and without a server-state file',
    expected:
      'set again within one poll, one stop each, no session lost; with a state file no new user comes in',
    run: reloadInEachPhase,
    corrected:
      'two reloads in each moment; 20 of each, with and without a server-state file, are in `npm run test:long -- long/reload`',
    deadlineMs: 240_000,
  },
  {
    number: 17,
    title: 'reload with an old worker that holds a request',
    made: 'a download is half done, stop, SIGUSR2 to the master; then the download ends',
    expected: 'the old worker is counted; the stop comes after the last byte',
    run: oldWorkerWithRequest,
  },
  {
    number: 18,
    title: '10 reloads in a row',
    made: 'ten SIGUSR2, each as soon as the worker before answers, while a user is waited for',
    expected: 'no stop, the session lives, and the sidecar has as many descriptors as before',
    run: tenReloads,
  },
  {
    number: 19,
    title: 'failed reload',
    made: 'SIGUSR2 with a configuration that HAProxy refuses, while drained',
    expected: 'the same worker, the same MAINT, and no state is set again',
    run: failedReload,
  },
  {
    number: 25,
    title: 'server removed or renamed by a reload',
    made: 'its line is taken out in the middle of a stop; and it is renamed before a drain',
    expected:
      'removed: a warning names it, the user is waited for, then stopped; renamed: 78 `no-such-server`, which names it',
    run: serverRenamed,
  },
  {
    number: 30,
    title: 'stale server-state file says DRAIN',
    made: 'an operator drains, `show servers state` to the file, kill -9 and a start of HAProxy, then the sidecar',
    expected: 'the DRAIN is an operator’s: 75 `held`, and it stays',
    run: staleStateFile,
  },
];
