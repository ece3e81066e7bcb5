import { afterEach, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { runOperators } from '../support/operator-campaign.ts';
import { startRecorder, type Recorder } from '../support/recorder.ts';
import { openRig, patience, type Agent, type Rig, told } from '../support/rig.ts';

const SERVER = 'app/app1';

test('three hundred random commands of operators: no MAINT or DRAIN of theirs is overridden', async () => {
  const report = await runOperators(Date.now() % 2 ** 31, 300);
  process.stdout.write(`operators: ${JSON.stringify(report)}\n`);
  expect(report).toMatchObject({ overrides: [], commands: 300, terms: 0 });
  // Something did happen: else nothing is proven.
  expect(report.foreign).toBeGreaterThan(0);
  expect(report.writes).toBeGreaterThan(0);
});

describe('An operator who comes between our write and our look', () => {
  let rig: Rig;
  let recorder: Recorder;
  afterEach(async () => {
    await rig.close();
    await recorder.close();
  });

  const open = async (): Promise<Agent> => {
    rig = await openRig({ server: 'weight 10' });
    recorder = await startRecorder(rig.haproxy.socket, join(rig.dir, 'rec.sock'));
    const agent = await rig.sidecar({
      sections: { balancers: [{ haproxy: recorder.socket, servers: [SERVER] }] },
    });
    await agent.reaches('serving');
    return agent;
  };
  /** The operator writes `line` once, right after the sidecar wrote `word`. */
  const interfere = (word: string, line: string): void => {
    let isSet = false;
    recorder.after(async (said) => {
      if (isSet || said !== `set server ${SERVER} state ${word}`) return;
      isSet = true;
      await recorder.operate(line);
    });
  };
  const shown = async (agent: Agent) => (await agent.client.status(patience())).balancers[0]?.servers[0];

  test('with the DRAIN that was ours a moment before: it is the operator’s now, and ready names the operator as its holder', async () => {
    const agent = await open();
    await rig.signIn();
    await told(agent.cli('drain', '--no-wait'));
    await agent.reaches('draining');
    interfere('ready', `set server ${SERVER} state drain`);
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 75, json: { code: 'held' } });
    expect(await rig.admin()).toBe('DRAIN');
    expect(await shown(agent)).toMatchObject({ admin: 'drain', owner: 'operator' });
  });

  test('with ready: the level is held, and DRAIN is set again', async () => {
    const agent = await open();
    interfere('drain', `set server ${SERVER} state ready`);
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(recorder.exchanges.filter(({ line }) => line.endsWith('state drain'))).toHaveLength(2);
  });

  test('with a weight of 0: a drain of the operator, which ready neither ends nor waits for', async () => {
    const agent = await open();
    await told(agent.cli('drain'));
    interfere('ready', `set weight ${SERVER} 0`);
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 75, json: { code: 'held' } });
    expect(await rig.haproxy.command(`get weight ${SERVER}`)).toContain('0 (initial 10)');
    expect(await shown(agent)).toMatchObject({ admin: 'drain', owner: 'operator' });
    expect(await told(agent.cli('stop'))).toMatchObject({ code: 75, json: { code: 'held' } });
    await recorder.operate(`set weight ${SERVER} 10`);
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
  });
});
