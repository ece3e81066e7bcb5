import { describe, expect, test } from '@jest/globals';
import type { StateRecord } from '../../agent/lifecycle/model/record.ts';
import { createRequests } from '../support/wide/judge-requests.ts';
import { createVerdicts } from '../support/wide/violation.ts';
import { NOTHING } from '../support/wide/knowledge.ts';
import type { SimNode, World } from '../support/wide/world.ts';
import { inPool, neighbour } from '../support/world/pool-scene.ts';
import type { Scene } from '../support/world/scene.ts';

/** The campaign's own judge: a request counts as on disk where the next start would go on with it. */

/** A request that was accepted and waits for a slot. */
function waiting(it: Scene): string {
  const id = it.ask('restart', { waitForSlotMs: 60_000 });
  it.until('it is accepted', () => it.sidecar.replies.some((one) => one.id === id));
  return id;
}

const alone = (): readonly [Scene, string] => {
  const it = inPool();
  neighbour(it);
  return [it, waiting(it)];
};

/** Its slot was freed, and another node took it, while no sidecar was there. */
const besideAnOperation = (): readonly [Scene, string] => {
  const it = inPool();
  it.site.visit();
  it.ask('drain');
  it.reach('draining');
  it.crash({}, () => {
    it.lock.free('app1');
    neighbour(it);
  });
  return [it, waiting(it)];
};

/** The rules that the judge finds broken when the request is accepted, and at a crash after that. */
function verdictsOn({ time, policy, sidecar: { state } }: Scene, id: string, record: StateRecord): string[] {
  const verdicts = createVerdicts(() => time.now);
  const judge = createRequests({ time, verdicts } as unknown as World);
  const disk = { content: JSON.stringify(record) };
  const watched = { ...policy, balancers: [] };
  const node = { index: 0, policy: watched, state, disk, known: NOTHING } as unknown as SimNode;
  const request = state.waiting.find((one) => one.request.id === id)!.request;
  judge.submitted(node, request);
  const effects = [{ type: 'reply', id, ticket: id, joins: null }] as const;
  judge.watch({ node, before: state, event: { type: 'tick', at: time.now }, after: state, effects });
  judge.crashed(node);
  return verdicts.violations.map(({ rule }) => rule);
}

describe.each([
  ['alone', alone],
  ['beside an operation', besideAnOperation],
])('A request that waits for a slot %s', (_where, asked) => {
  test('is accepted by right where the record has it among those that wait', () => {
    const [it, id] = asked();
    expect(verdictsOn(it, id, JSON.parse(it.disk.content ?? '') as StateRecord)).toEqual([]);
  });

  test('is reported where the record has it nowhere', () => {
    const [it, id] = asked();
    const { waiting: _, ...without } = JSON.parse(it.disk.content ?? '') as StateRecord;
    expect(verdictsOn(it, id, without)).toEqual(['accepted and not on disk', 'forgotten by a crash']);
  });
});
