import { afterEach, describe, expect, test } from '@jest/globals';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { recipeConfig } from '../support/recipes.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

/** A drain with this configuration while one user is there, who then logs out; resolves with its result. */
async function drainWith(sections: Readonly<Record<string, unknown>>, isCounted = true) {
  const agent = await rig.sidecar({ sections });
  await agent.reaches('serving');
  const user = await rig.signIn();
  const stopping = told(agent.cli('stop'));
  await agent.reaches('draining');
  if (isCounted) {
    await until(
      'the user is counted',
      async () => (await agent.client.status(patience())).sessions.total === 1,
    );
  }
  expect(await user.click()).toMatchObject({ status: 200, lost: false });
  expect(await user.click('/logout')).toMatchObject({ status: 200, lost: false });
  return stopping;
}

const DONE = { code: 0, json: { code: 'done', phase: 'stopped', forced: 0 } };

describe('Where no recipe fits', () => {
  test('a route that answers a plain number is enough', async () => {
    rig = await openRig();
    const sections = recipeConfig('Anything else', { 'http://127.0.0.1:8080': rig.node.url });
    const { code, json } = await drainWith(sections);
    expect({ code, json }).toMatchObject({
      ...DONE,
      json: { ...DONE.json, sessions: { start: 1, last: 0 } },
    });
  });

  test('a program that prints the number is enough', async () => {
    rig = await openRig();
    const program = join(rig.dir, 'count-sessions');
    await writeFile(
      program,
      `#!${process.execPath}\nfetch('${rig.node.url}/sessions').then(async (answer) => console.log(await answer.text()));\n`,
    );
    await chmod(program, 0o755);
    const { code, json } = await drainWith(
      recipeConfig('Anything else', { '/usr/local/bin/count-sessions': program }, 1),
    );
    expect({ code, json }).toMatchObject({
      ...DONE,
      json: { ...DONE.json, sessions: { start: 1, last: 0 } },
    });
  });

  test('a pause without a request is an answer, where quiet is written by hand', async () => {
    rig = await openRig();
    const begun = performance.now();
    const sections = recipeConfig('No code may be changed', {
      '30m': '2s',
      'quiet: 1m': 'quiet: 1s\n  timeout: 30s',
    });
    expect(await drainWith(sections, false)).toMatchObject(DONE);
    expect(performance.now() - begun).toBeGreaterThan(2_000);
  });
});
