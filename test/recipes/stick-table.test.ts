import { afterEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { untilOld } from '../support/haproxy-target.ts';
import { createLegacyNode, type LegacyNode } from '../support/legacy-node.ts';
import { freePort } from '../support/ports.ts';
import { recipeConfig, recipeOf } from '../support/recipes.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot, type Sample, startSampleFile } from '../support/sample.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const SAMPLE = 'haproxy/samples/stick-table.cfg';
/** The lifetime of an entry without a click. */
const EXPIRE = '2s';

let temp: TempDir;
let nodes: LegacyNode[] = [];
let haproxy: Sample | undefined;
let sidecar: Sidecar | undefined;
afterEach(async () => {
  await sidecar?.stop();
  await haproxy?.stop();
  for (const node of nodes) await node.kill();
  await temp.remove();
});

test('users who are counted by a stick table alone lose no session in a stop, with a reload in its middle', async () => {
  const patience = AbortSignal.timeout(120_000);
  temp = await makeTempDir();
  const { path: dir } = temp;
  for (const name of ['app1', 'app2']) nodes.push(createLegacyNode({ name, port: await freePort(), dir }));
  await Promise.all(nodes.map((node) => node.start()));
  await Promise.all(nodes.map((node) => node.untilServing(patience)));
  const [one, two] = nodes;
  const listen = `127.0.0.1:${await freePort()}`;
  const sample = await startSampleFile([join(packageRoot(), SAMPLE)], dir, {
    LB_SOCKET: join(dir, 'lb.sock'),
    LB_STATE: join(dir, 'server-state'),
    LB_LISTEN: listen,
    LB_PEER: `127.0.0.1:${await freePort()}`,
    LB_EXPIRE: EXPIRE,
    APP1: `127.0.0.1:${one?.port}`,
    APP2: `127.0.0.1:${two?.port}`,
  });
  haproxy = sample;
  // So old that it hands its table on, and that the table is complete.
  await untilOld(sample.socket, 6);
  if (one === undefined) throw new Error('no node');
  const node = { ...one, agentPort: await freePort() };
  sidecar = await startSidecar({ dir, haproxy }, node, patience, {
    sections: recipeConfig('A stick table', { '30m': EXPIRE }),
  });
  const stopped = await stopUnderUsers(sidecar, { url: `http://${listen}` }, patience, () =>
    sample.reload(true),
  );
  expect(stopped).toMatchObject(CLEAN);
  expect(stopped.result.sessions.start).toBeGreaterThan(0);
  expect(stopped.report.nodes['app1']?.requests).toBeGreaterThan(0);
  expect(await one.sessions()).toBeNull();
}, 130_000);

test('the sample has the very lines of the page', () => {
  const sample = textOf(SAMPLE).replaceAll('"${LB_EXPIRE}"', '30m');
  const lines = (recipeOf('A stick table').block('haproxy') ?? '').trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(2);
  for (const line of lines) expect(sample).toContain(line);
});
