import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chmod, chown, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { realClock } from '../../agent/system/clock.ts';
import { lockNode } from '../../agent/system/lock.ts';
import { copyProgram, LASTCALL, lastcall, type Running, start } from '../support/cli.ts';
import { file, openRig, type Rig, told, type Visitor } from '../support/rig.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

/** `--no-refuse` where no sidecar answers and none will: the machine shuts down, or it cannot start. */

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

interface SubstituteCase {
  readonly rig: Rig;
  /** Where the state file stands. */
  readonly directory: string;
  readonly config: string;
  readonly visitor: Visitor;
  /** `drain --no-refuse`, with a user at the node. */
  readonly drain: Running;
  readonly began: number;
}

/**
 * @param before is done with the directory of the state before the drain begins
 * @param program lastcall.cjs
 */
async function begin(
  before: (rig: Rig, directory: string) => Promise<unknown>,
  program = LASTCALL,
): Promise<SubstituteCase> {
  const rig = await openRig();
  const directory = join(rig.dir, 'state');
  await mkdir(directory, { mode: 0o700 });
  const config = await file(
    rig,
    'app1.yaml',
    JSON.stringify({
      node: 'app1',
      app: { probe: { http: { url: `${rig.node.url}/health` }, every: '100ms', rise: 1 } },
      balancers: [{ haproxy: `unix:${rig.haproxy.socket}`, servers: ['app/app1'] }],
      sessions: [{ http: { url: `${rig.node.url}/sessions` } }],
      listen: { control: join(rig.dir, 'app1.sock') },
      state: join(directory, 'app1.json'),
    }),
  );
  await before(rig, directory);
  const visitor = await rig.signIn();
  const words = ['drain', '--no-refuse', '-c', config, '--timeout', '5m', '--on-timeout', 'force'];
  return {
    rig,
    directory,
    config,
    visitor,
    began: performance.now(),
    drain: start(process.execPath, [program, ...words]),
  };
}

let [plain, asUser, locked, upgraded]: SubstituteCase[] = [];
let copy: TempDir;
let unlock = async (): Promise<void> => undefined;
// Half a minute each, all at once.
beforeAll(async () => {
  const giveToNobody = async (rig: Rig, directory: string): Promise<void> => {
    if (!isRoot) return;
    await chown(directory, NOBODY, NOBODY);
    await chmod(rig.dir, 0o755);
    await chmod(rig.haproxy.socket, 0o666);
  };
  const lock = async (_rig: Rig, directory: string): Promise<void> => {
    const held = await lockNode('app1', join(directory, 'app1.json'), realClock);
    unlock = () => held.release();
  };
  copy = await makeTempDir();
  const program = await copyProgram(copy.path);
  const removed = begin(async () => undefined, program).then(async (one) => {
    await one.drain.said('there is no such socket');
    await rm(dirname(program), { recursive: true });
    return one;
  });
  [plain, asUser, locked, upgraded] = await Promise.all([
    begin(async () => undefined),
    begin(giveToNobody),
    begin(lock),
    removed,
  ]);
});
afterAll(async () => {
  for (const one of [plain, asUser, locked, upgraded]) {
    one?.drain.child.kill('SIGKILL');
    await one?.rig.close();
  }
  await copy?.remove();
  await unlock();
});

test('The drain is done without the sidecar after half a minute, and the next sidecar knows of it', async () => {
  const { rig, drain, began, visitor, config } = plain as SubstituteCase;
  await drain.said('there is no such socket');
  await until('DRAIN', async () => (await rig.admin()) === 'DRAIN');
  expect(performance.now() - began).toBeGreaterThan(30_000);
  expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
  await drain.said('app1: draining, 1 session');
  await visitor.leave();
  expect(await drain.outcome).toMatchObject({ code: 0 });
  expect(await rig.admin()).toBe('MAINT');
  const next = lastcall(['run', '-c', config]);
  await next.said('"running"');
  const { json } = await told(lastcall(['ready', '-c', config, '--json']));
  expect(json).toMatchObject({ ok: true, phase: 'serving', warnings: [] });
  next.child.kill('SIGTERM');
  await next.outcome;
});

test('Root takes the sidecar’s place as the sidecar’s user: the state stays that user’s', async () => {
  if (!isRoot) return skipped('only root can become another user');
  const { rig, drain, visitor, directory } = asUser as SubstituteCase;
  await drain.said('app1: draining, 1 session');
  await visitor.leave();
  expect(await drain.outcome).toMatchObject({ code: 0 });
  expect(await rig.admin()).toBe('MAINT');
  const owners = await Promise.all(
    (await readdir(directory)).map(async (name) => ({ name, uid: (await stat(join(directory, name))).uid })),
  );
  expect(owners).toContainEqual({ name: 'app1.json', uid: NOBODY });
  expect(owners.filter(({ uid }) => uid !== NOBODY)).toEqual([]);
});

test('The package that it began with was upgraded or removed meanwhile: it has loaded all before it asked', async () => {
  const { rig, drain, visitor } = upgraded as SubstituteCase;
  await drain.said('app1: draining, 1 session');
  await visitor.leave();
  expect(await drain.outcome).toMatchObject({ code: 0 });
  expect(await rig.admin()).toBe('MAINT');
});

test('A sidecar that runs and does not answer is not worked against: the command prints why, and waits for it', async () => {
  const { rig, drain } = locked as SubstituteCase;
  await drain.said('its work cannot be done without it either: another sidecar already runs for node app1');
  expect(await rig.admin()).toBe('no check');
  drain.child.kill('SIGTERM');
  expect((await drain.outcome).code).toBe(143);
});
