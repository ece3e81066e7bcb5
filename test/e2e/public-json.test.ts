import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastcall } from '../support/cli.ts';
import { textOf } from '../support/repository.ts';
import { type Agent, openRig, patience, type Rig } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { keysOfType, readDeclarations } from '../support/type-keys.ts';

/** The JSON that a real sidecar gives has the keys that its types declare, and those alone. */

let rig: Rig;
let agent: Agent;
beforeEach(async () => {
  rig = await openRig({ termMs: 50 });
  // With a pool, so that `slot` is there.
  agent = await rig.sidecar({
    sections: { pool: { name: 'app' }, lock: { file: join(rig.dir, 'pool.lock') } },
  });
});
afterEach(() => rig.close());

/** What a command writes with `--json`. */
async function json(...words: readonly string[]): Promise<object> {
  return JSON.parse((await agent.cli(...words).outcome).stdout) as object;
}

/** The paths of all keys of a value, as type-keys.ts writes them. */
function keysOf(value: unknown, prefix = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => keysOf(one, `${prefix}[]`));
  if (typeof value !== 'object' || value === null) return [];
  const dot = prefix === '' ? '' : '.';
  return Object.entries(value).flatMap(([key, below]) => [
    `${prefix}${dot}${key}`,
    ...keysOf(below, `${prefix}${dot}${key}`),
  ]);
}

const TYPES = readDeclarations('lifecycle');
const declared = (type: string): string[] => keysOfType(TYPES, type).map(([path]) => path);
const distinct = (keys: readonly string[]): string[] => [...new Set(keys)].sort();

/** What this scene does not bring about: a poller that is waited for, and an estimate. Their own tests show them. */
const ELSEWHERE = [
  'balancers[].waitsFor[].poller',
  'balancers[].waitsFor[].silentSince',
  'eta.atMost',
  'eta.seconds',
];

test('A status, a result and the list of who holds the node have the keys of their types', async () => {
  const visitor = await rig.signIn();
  // The last usable server: that is an objection.
  await rig.haproxy.command('set server app/app2 state maint');
  const results: object[] = [await json('stop', '--dry-run')];
  await rig.haproxy.command('set server app/app2 state ready');
  results.push(await json('stop', '--dry-run'));
  const begun = (await json('drain', '--no-fence', '--no-wait', '--reason', 'a')) as { id: string };
  await agent.reaches('draining');
  const withdrawn = (await json('drain', '--no-wait', '--no-refuse', '--no-fence')) as { id: string };
  await agent.client.cancel(withdrawn.id, patience());
  results.push(await agent.ends(withdrawn.id));
  const terms = ['--expires', '2h', '--timeout', '20s', '--on-timeout', 'hold', '--force', '--reason', 'b'];
  const joined = (await json('drain', '--no-wait', ...terms)) as { id: string };
  const open = visitor.click('/?sleep=1500');
  const holders = await until('the open page is listed', async () => {
    const report = await agent.client.holders(patience());
    return report.oldest.length > 0 ? report : undefined;
  });
  const statuses: object[] = [await agent.client.status(patience())];
  await open;
  await visitor.leave();
  results.push(await agent.ends(joined.id), await agent.ends(begun.id));
  await json('hold', '--reason', 'c');
  statuses.push(await json('status'));
  expect(distinct(results.flatMap((one) => keysOf(one)))).toEqual(distinct(declared('Result')));
  const seen = distinct(statuses.flatMap((one) => keysOf(one)));
  expect(distinct([...seen, ...ELSEWHERE])).toEqual(distinct(declared('Status')));
  expect(seen.filter((key) => ELSEWHERE.includes(key))).toEqual([]);
  expect(distinct(keysOf(holders))).toEqual(distinct(declared('HoldersReport')));
});

/** The keys that API.md lists for one of the objects that are no result. */
function listed(name: string): string[] {
  const item =
    new RegExp(`^- \`${name}\`, of (?:.|\\n  )*`, 'm').exec(textOf('agent/control/API.md'))?.[0] ?? '';
  return distinct([...item.slice(item.indexOf(': ')).matchAll(/`([\w[\].]+)`/g)].map(([, key = '']) => key));
}

test('What is no result has the keys that API.md lists for it', async () => {
  const nowhere = ['drain', '--socket', join(rig.dir, 'nowhere.sock'), '--json'];
  const error = keysOf(JSON.parse((await lastcall(nowhere).outcome).stdout));
  expect(listed('error')).toEqual(distinct([...error, 'seconds']));

  const file = join(rig.dir, 'wrong.yaml');
  await writeFile(file, 'node: 1\n');
  const checked = JSON.parse((await lastcall(['check', '-c', file, '--json']).outcome).stdout) as object;
  expect(distinct(keysOf(checked))).toEqual(listed('check'));

  await rig.signIn();
  const [first, second] = [await json('drain', '--no-wait'), await json('drain', '--no-wait')];
  const required = keysOfType(TYPES, 'Result').filter(
    ([path, type]) => !type.startsWith('?') && !/[.[]/.test(path),
  );
  const keys = distinct([...required.map(([path]) => path), 'joined', 'joins']);
  expect(Object.keys(second).sort()).toEqual(keys);
  expect(Object.keys(first).sort()).toEqual(keys.filter((key) => key !== 'joins'));
  expect([first, second]).toMatchObject([
    { code: 'accepted', joined: false },
    { joined: true, joins: expect.any(String) },
  ]);
});
