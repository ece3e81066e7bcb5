import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Agent, openRig, patience, type Rig } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { keysOfType, readDeclarations } from '../support/type-keys.ts';

/** The JSON that a real sidecar gives has the keys that its types declare, and those alone. */

let rig: Rig;
let agent: Agent;
beforeEach(async () => {
  rig = await openRig({ termMs: 50 });
  agent = await rig.sidecar();
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
  const results: object[] = [await json('stop', '--dry-run')];
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
