import { afterEach, describe, expect, test } from '@jest/globals';
import { createEtcdLock } from '../../agent/fleet/etcd/etcd-lock.ts';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import { realClock } from '../../agent/system/clock.ts';
import { claimOf } from '../support/claim.ts';
import { findEtcd, startCluster, startEtcd, type Etcd } from '../support/etcd.ts';
import { memoryLog } from '../support/memory-log.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { skipped } from '../support/skip.ts';
import { startStub } from '../support/stub-server.ts';
import { until } from '../support/until.ts';

/** Which history of a pool etcd tells: one that begins, one that is older than what was seen, one of several members. */

const found = await findEtcd();
if ('missing' in found) test('etcd is here', () => skipped(found.missing));

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function open(endpoints: readonly string[]): FleetLock {
  const lock = createEtcdLock({ endpoints, ttlMs: 2000 }, 'app', { clock: realClock, log: memoryLog() });
  closing.push(() => lock.close());
  return lock;
}

async function start(): Promise<Etcd> {
  const etcd = await startEtcd((found as { program: string }).program);
  closing.push(() => etcd.close());
  return etcd;
}

async function start3(): Promise<readonly Etcd[]> {
  const members = await startCluster((found as { program: string }).program);
  closing.push(async () => void (await Promise.all(members.map((member) => member.close()))));
  await members[0]?.put('/lastcall/app/epoch', 'of-the-test');
  return members;
}

/** Asks until it is answered. */
function again<T>(what: string, ask: () => Promise<T>): Promise<T> {
  const answered = (): Promise<readonly [T] | undefined> =>
    ask().then(
      (value) => [value] as const,
      () => undefined,
    );
  return until(what, answered).then(([value]) => value);
}

/** Answers as the etcd behind it, or as that etcd answered some time ago. */
async function startMirror(etcd: Etcd): Promise<{ readonly url: string; goBack(): void; comeBack(): void }> {
  let isOld = false;
  const answers = new Map<string, string>();
  const answer = async (path: string, body: string): Promise<string> => {
    const kept = answers.get(path);
    if (isOld && kept !== undefined) return kept;
    const text = JSON.stringify(await etcd.ask(path, JSON.parse(body) as object));
    // The first one is the oldest.
    if (kept === undefined) answers.set(path, text);
    return text;
  };
  const stub = await startStub((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      answer((request.url ?? '').slice('/v3/'.length), body).then(
        (text) => response.end(text),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
  });
  closing.push(() => stub.stop());
  return { url: stub.url, goBack: () => void (isOld = true), comeBack: () => void (isOld = false) };
}

('missing' in found ? describe.skip : describe)('The history of a pool in etcd', () => {
  test('begins with a lease in which no slot is given: nodes that lost theirs with the data come first', async () => {
    const etcd = await start();
    const [lock, other] = [open([etcd.url]), open([etcd.url])];
    expect(await lock.look(never)).toMatchObject({ holders: [], waiters: [] });
    expect((await etcd.get('/lastcall/app/')).size).toBe(2);
    const claim = claimOf('app', 'app1');
    expect(await lock.take(claim, never)).toMatchObject({
      holders: [],
      waiters: [{ position: 1 }],
      closed: expect.stringContaining('etcd knew nothing of this pool'),
    });
    const begun = performance.now();
    await until('a slot is given', async () => (await lock.take(claim, never)).holders.length === 1);
    expect(performance.now() - begun).toBeGreaterThan(1000);
    const waits = claimOf('app', 'app2');
    await other.take(waits, never);
    await lock.give(claim, never);
    const view = await other.take(waits, never);
    expect([view.holders.length, view.closed]).toEqual([1, undefined]);
  });

  test('is refused where it is older than what was seen already', async () => {
    const etcd = await start();
    await etcd.put('/lastcall/app/epoch', 'of-the-test');
    const mirror = await startMirror(etcd);
    const lock = open([mirror.url]);
    const claim = claimOf('app', 'app1');
    await lock.look(never);
    await lock.take(claim, never);
    mirror.goBack();
    for (const ask of [() => lock.look(never), () => lock.take(claim, never)])
      expect(await refusalOf(ask)).toMatchObject({
        code: 'locked',
        message: expect.stringMatching(/older view \(revision \d+; \d+ was seen\)/),
      });
    mirror.comeBack();
    expect((await lock.look(never)).holders).toHaveLength(1);
  });

  test('goes on where the leader of three members is killed, and each of them tells it', async () => {
    const members = await start3();
    const urls = members.map(({ url }) => url);
    const locks = urls.map((_url, place) => open([...urls.slice(place), ...urls.slice(0, place)]));
    const [one, two, three] = locks as [FleetLock, FleetLock, FleetLock];
    const [first, second] = [claimOf('app', 'app1'), claimOf('app', 'app2')];
    await one.take(first, never);
    expect((await two.take(second, never)).waiters).toHaveLength(1);
    await (await leaderOf(members)).kill();
    const view = await again('the others have a leader', () => three.look(never));
    expect(view).toMatchObject({ holders: [{ alive: true, claim: { node: 'app1' } }] });
    await again('it is given back', () => one.give(first, never));
    expect((await two.take(second, never)).holders).toMatchObject([{ claim: { node: 'app2' } }]);
  });

  test('is that of the majority where a leader stood still and goes on: a slot that was freed meanwhile does not come back with it', async () => {
    const members = await start3();
    const leader = await leaderOf(members);
    const others = members.filter((member) => member !== leader).map(({ url }) => url);
    const [atLeader, atOthers] = [open([leader.url]), open(others)];
    const [first, second] = [claimOf('app', 'app1'), claimOf('app', 'app2')];
    await atLeader.take(first, never);
    await again('it waits', () => atOthers.take(second, never));
    leader.signal('SIGSTOP');
    const held = await until('the others see that the holder is cut off', async () => {
      const [holder] = (await again('they have a leader', () => atOthers.look(never))).holders;
      return holder?.alive === false && holder;
    });
    expect(await atOthers.free(held, never)).toBe(true);
    expect((await atOthers.take(second, never)).holders).toMatchObject([{ claim: second }]);
    const asked = again('it answers', () => atLeader.look(never));
    leader.signal('SIGCONT');
    expect((await asked).holders).toMatchObject([{ claim: second }]);
    expect(await again('it waits anew', () => atLeader.take(first, never))).toMatchObject({
      holders: [{ claim: second }],
      waiters: [{ claim: first }],
    });
  });
});

async function leaderOf(members: readonly Etcd[]): Promise<Etcd> {
  for (const member of members) {
    const status = (await member.ask('maintenance/status', {})) as {
      leader: string;
      header: { member_id: string };
    };
    if (status.leader === status.header.member_id) return member;
  }
  throw new Error('the cluster has no leader');
}
