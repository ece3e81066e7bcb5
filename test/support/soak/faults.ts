import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Code, errnoOf } from '../../../agent/system/error.ts';
import type { Result } from '../../../agent/lifecycle/model/api.ts';
import type { Etcd } from '../etcd.ts';
import { type Agent, patience, type Rig } from '../rig.ts';
import { until } from '../until.ts';

/** Where a cycle is played. */
export interface SoakNode {
  readonly rig: Rig;
  readonly agent: Agent;
  /** The sidecar's state file. */
  readonly state: string;
  /** The lock of its pool; null where this machine has none. */
  readonly etcd: Etcd | null;
}

/** One cycle in `every` is played with it. */
interface SoakFault {
  readonly name: string;
  readonly every: number;
  /** It is a fault of the lock. */
  readonly isOfLock?: true;
  /**
   * Drains the node with the fault in the middle, and takes the fault away; how the drain ended.
   * @throws Error where the fault itself was not met as it should be
   */
  drain(node: SoakNode): Promise<Result>;
}

/** Asks, and waits for the end. */
export async function ask({ agent }: SoakNode, operation: 'drain' | 'ready'): Promise<Result> {
  const submitted = await agent.client.submit({ operation, timeout: '20s' }, patience());
  return submitted.accepted ? agent.ends(submitted.id) : submitted.result;
}

async function whileDraining(node: SoakNode, work: () => Promise<unknown>): Promise<Result> {
  const [drained, worked] = await Promise.allSettled([ask(node, 'drain'), work()]);
  if (worked.status === 'rejected') throw worked.reason;
  if (drained.status === 'rejected') throw drained.reason;
  return drained.value;
}

/** A drain that has to be refused. */
async function refusedWith(node: SoakNode, wanted: Code): Promise<void> {
  const { code, phase } = await ask(node, 'drain');
  if (code !== wanted) throw new Error(`a drain that had to end with ${wanted} ended ${code} in ${phase}`);
}

/**
 * Puts a directory that is not empty in the place of the file that a save begins with: no user can remove or replace it as
 * a file, not even root. A save that is under way (the record without the slot of before) ends first.
 */
async function blockPath(path: string): Promise<void> {
  const prepared = `${path}.prepared`;
  mkdirSync(join(prepared, 'full'), { recursive: true });
  await until('no save is under way', () => {
    try {
      renameSync(prepared, path);
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'ENOTDIR') throw error;
      return false;
    }
  });
}

/** Periods without a common divisor, so that each meets each; the rare ones first. */
export const SOAK_FAULTS: readonly SoakFault[] = [
  {
    name: 'HAProxy hangs',
    every: 97,
    async drain(node) {
      const { rig, agent } = node;
      await rig.haproxy.kill('SIGSTOP');
      const result = await whileDraining(node, async () => {
        try {
          await until('it is seen to hang', async () => {
            const { balancers } = await agent.client.status(patience());
            return balancers[0]?.reachable === false;
          });
        } finally {
          await rig.haproxy.kill('SIGCONT');
        }
      });
      // Before the drain has begun it is refused, in its middle it goes on.
      return result.code === 'balancer-unreachable' ? ask(node, 'drain') : result;
    },
  },
  {
    name: 'etcd is killed before a drain and while the node is out',
    every: 41,
    isOfLock: true,
    async drain(node) {
      await withoutEtcd(node, () => refusedWith(node, 'locked'));
      const result = await ask(node, 'drain');
      await withoutEtcd(node, () => node.agent.client.status(patience()));
      return result;
    },
  },
  {
    name: 'the disk takes no state file',
    every: 19,
    async drain(node) {
      const fresh = `${node.state}.tmp`;
      await blockPath(fresh);
      try {
        await refusedWith(node, 'state-write');
      } finally {
        rmSync(fresh, { recursive: true });
      }
      return ask(node, 'drain');
    },
  },
  {
    name: 'the application dies',
    every: 17,
    async drain(node) {
      const result = await ask(node, 'drain');
      await node.rig.node.kill();
      return result;
    },
  },
  {
    name: 'kill -9 of the command that waits',
    every: 13,
    async drain(node) {
      const waiting = node.agent.cli('drain', '--timeout', '20s');
      await node.agent.reaches('draining', 'settling', 'fencing', 'drained');
      waiting.child.kill('SIGKILL');
      await waiting.outcome;
      return ask(node, 'drain');
    },
  },
  {
    name: 'HAProxy is reloaded',
    every: 11,
    drain: (node) => whileDraining(node, () => node.rig.haproxy.reload()),
  },
  {
    name: 'a user stays for a while',
    every: 7,
    async drain(node) {
      const user = await node.rig.signIn();
      return whileDraining(node, async () => {
        await node.agent.reaches('draining');
        const page = await user.click();
        await user.leave();
        if (page.status !== 200 || page.node !== 'app1' || page.lost)
          throw new Error(`the user of the node that drains got ${JSON.stringify(page)}`);
      });
    },
  },
];

async function withoutEtcd({ etcd }: SoakNode, work: () => Promise<unknown>): Promise<void> {
  if (etcd === null) throw new Error('there is no etcd');
  await etcd.kill();
  try {
    await work();
  } finally {
    await etcd.start();
  }
}
