import { expect, test } from '@jest/globals';
import { type NodeState, defaultAnswer } from '../../../agent/balancers/health-port/answer.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';

function node(phase: NodeState['phase'], health: NodeState['health'], admin: Admin | null): NodeState {
  const server = { name: 'app/app1', admin, operational: null, connections: 0, queued: 0 } as const;
  const balancer = { name: 'lb1', reachable: true, error: null, pid: 1, workers: null, waitsFor: [] };
  const servers = [
    { ...server, owner: 'lastcall', found: 'ready', applied: null, neighbours: null } as const,
  ];
  return { phase, health, balancers: [{ ...balancer, servers }] };
}

test.each([
  ['failed', 'up', 'maint', 'down'],
  ['failed', 'up', 'ready', 'up'],
  ['failed', 'down', 'drain', 'down'],
  ['failed', 'unknown', 'ready', null],
  ['drained', 'up', 'maint', 'down'],
  ['drained', 'down', 'drain', 'up'],
  ['serving', 'down', 'ready', 'down'],
  ['draining', 'down', 'drain', 'up'],
  ['recovering', 'up', 'ready', null],
] as const)('%s, %s, in %s: monitors get %s', (phase, health, admin, standing) => {
  expect(defaultAnswer(node(phase, health, admin))).toBe(standing);
});
