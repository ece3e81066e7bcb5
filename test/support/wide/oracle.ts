import { createBeginJudge } from './judge-begin.ts';
import { createDiskJudge } from './judge-disk.ts';
import { createRebootJudge } from './judge-reboots.ts';
import { createRequests } from './judge-requests.ts';
import { createRestJudge } from './judge-rest.ts';
import { createSlotJudge } from './judge-slots.ts';
import { createStopJudge } from './judge-stops.ts';
import { createIntentJudge } from './judge-intent.ts';
import { createWeightJudge } from './judge-weights.ts';
import { createWriteJudge } from './judge-writes.ts';
import { createZeroJudge } from './judge-zero.ts';
import { peek } from './peek.ts';
import type { Oracle, Taken, World } from './world.ts';

/** More at once is a loop. */
const MOST_EFFECTS = 40;

/** Knows the whole world, and judges each step of each sidecar by what it could know. No phase is excused (I16). */
export function createOracle(world: World): Oracle {
  const requests = createRequests(world);
  const writes = createWriteJudge(world, requests);
  const intents = createIntentJudge(world, requests);
  const stops = createStopJudge(world, requests);
  const rest = createRestJudge(world, { requests, intents, writes });
  const begin = createBeginJudge(world, requests);
  const weights = createWeightJudge(world);
  const slots = createSlotJudge(world, writes);
  const judges = [
    requests,
    writes,
    begin,
    stops,
    intents,
    rest,
    slots,
    createDiskJudge(world),
    createRebootJudge(world),
    createZeroJudge(world),
  ];

  return {
    watch(taken: Taken) {
      for (const judge of judges) judge.watch(taken);
      const { effects } = taken;
      if (effects.length > MOST_EFFECTS) world.verdicts.broken('broke', `${effects.length} effects at once`);
    },
    written(write) {
      writes.written(write);
      intents.written(write);
      weights.written(write);
      slots.written(write);
    },
    weighed: (word) => weights.weighed(word),
    submitted: (node, request) => requests.submitted(node, request),
    cancelled: (node, id) => requests.cancelled(node, id),
    crashed(node) {
      writes.crashed(node);
      requests.crashed(node);
      begin.crashed(node);
      slots.crashed(node);
      intents.crashed(node);
      // With an alarm the disk has lost what is ours: it is to be treated as foreign.
      if (!peek(node.state).hasDiskAlarm) return;
      for (const lb of world.lbs)
        for (const server of lb.servers)
          if (server.node === node.index && server.by === 'us') server.by = 'operator';
    },
    booted: (node) => writes.booted(node),
    rested(answers) {
      rest.rested(answers);
      weights.rested(answers);
      slots.rested(answers);
    },
    result: (_node, id) => requests.result(id),
  };
}
