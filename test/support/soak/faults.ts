import { mkdirSync, rmdirSync } from 'node:fs';
import type { Result } from '../../../agent/lifecycle/model/api.ts';
import { type Agent, patience, type Rig } from '../rig.ts';
import { until } from '../until.ts';

/** Where a cycle is played. */
export interface SoakNode {
  readonly rig: Rig;
  readonly agent: Agent;
  /** The sidecar's state file. */
  readonly state: string;
}

/** One cycle in `every` is played with it. */
interface SoakFault {
  readonly name: string;
  readonly every: number;
  /** Drains the node with the fault in the middle; how the drain ended. */
  drain(node: SoakNode): Promise<Result>;
}

/** Asks, and waits for the end. */
export async function ask({ agent }: SoakNode, operation: 'drain' | 'ready'): Promise<Result> {
  const submitted = await agent.client.submit({ operation, timeout: '20s' }, patience());
  return submitted.accepted ? agent.ends(submitted.id) : submitted.result;
}

async function whileDraining(node: SoakNode, work: () => Promise<unknown>): Promise<Result> {
  const [result] = await Promise.all([ask(node, 'drain'), work()]);
  return result;
}

/** Periods without a common divisor, so that each meets each. */
export const SOAK_FAULTS: readonly SoakFault[] = [
  {
    name: 'HAProxy is reloaded',
    every: 11,
    drain: (node) => whileDraining(node, () => node.rig.haproxy.reload()),
  },
  {
    name: 'HAProxy hangs',
    every: 97,
    async drain(node) {
      const { rig, agent } = node;
      await rig.haproxy.kill('SIGSTOP');
      return whileDraining(node, async () => {
        await until('it is seen to hang', async () => {
          const { balancers } = await agent.client.status(patience());
          return balancers[0]?.reachable === false;
        });
        await rig.haproxy.kill('SIGCONT');
      });
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
      await Promise.all([node.agent.reaches('draining', 'settling', 'fencing', 'drained')]);
      waiting.child.kill('SIGKILL');
      await waiting.outcome;
      return ask(node, 'drain');
    },
  },
  {
    name: 'the disk takes no state file',
    every: 19,
    async drain(node) {
      // In the place of the file that a save begins with, for every user, root too.
      mkdirSync(`${node.state}.tmp`);
      const refused = await ask(node, 'drain');
      rmdirSync(`${node.state}.tmp`);
      return refused.code === 'state-write' ? ask(node, 'drain') : refused;
    },
  },
];
