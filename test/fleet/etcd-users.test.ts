import { afterEach, expect, test } from '@jest/globals';
import { createEtcdLock } from '../../agent/fleet/etcd/etcd-lock.ts';
import { realClock } from '../../agent/system/clock.ts';
import { type Etcd, findEtcd, startEtcd } from '../support/etcd.ts';
import { memoryLog } from '../support/memory-log.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { skipped } from '../support/skip.ts';

let etcd: Etcd | undefined;
afterEach(() => etcd?.close());

test('an etcd whose users and roles are in force is `locked`, and the message is that they are not supported', async () => {
  const found = await findEtcd();
  if ('missing' in found) return skipped(found.missing);
  etcd = await startEtcd(found.program);
  await etcd.ask('auth/user/add', { name: 'root', password: 'secret' });
  await etcd.ask('auth/user/grant', { user: 'root', role: 'root' });
  await etcd.ask('auth/enable', {});
  const lock = createEtcdLock({ endpoints: [etcd.url], ttlMs: 2_000 }, 'app', {
    clock: realClock,
    log: memoryLog(),
  });
  const error = await refusalOf(() => lock.look(never));
  await lock.close();
  expect(error).toMatchObject({
    code: 'locked',
    message: expect.stringMatching(
      /user name is empty.*users and roles are not supported: `etcdctl auth disable`/,
    ),
  });
});
