import { createRequests } from './judge-requests.ts';
import { createRestJudge } from './judge-rest.ts';
import { createStopJudge } from './judge-stops.ts';
import { createWishJudge } from './judge-wishes.ts';
import { createWordJudge } from './judge-words.ts';
import type { Oracle, World } from './world.ts';

/** Knows the whole world, and judges each step of each sidecar by what it could know. No phase is excused (I16). */
export function createOracle(world: World): Oracle {
  const requests = createRequests(world);
  const words = createWordJudge(world, requests);
  const wishes = createWishJudge(world, requests);
  const stops = createStopJudge(world, requests);
  const rest = createRestJudge(world, { requests, wishes, words });

  return {
    watch(taken) {
      requests.watch(taken);
      words.watch(taken);
      stops.watch(taken);
      wishes.watch(taken);
      rest.watch(taken);
    },
    written(word) {
      words.written(word);
      wishes.written(word);
    },
    submitted: (node, request) => requests.submitted(node, request),
    cancelled: (node, id) => requests.cancelled(node, id),
    crashed(node) {
      words.crashed(node);
      requests.crashed(node);
      // With an alarm the disk has forgotten what is ours: it is to be treated as somebody else's.
      if (node.state.alarms['disk'] === undefined) return;
      for (const lb of world.lbs)
        for (const server of lb.servers)
          if (server.node === node.index && server.by === 'us') server.by = 'operator';
    },
    booted: (node) => words.booted(node),
    rested: (answers) => rest.rested(answers),
    result: (_node, id) => requests.result(id),
  };
}
