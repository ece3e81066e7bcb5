import { OWN_TERMS } from '../../../agent/lifecycle/model/policy.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import type { LbServer, SimLb } from './balancer.ts';
import { serverName } from './policies.ts';
import type { SimNode, Stage } from './world.ts';

/** What happens between two lives of a sidecar. */

/** Where a deed is done, and with which draw. */
export interface At {
  readonly stage: Stage;
  readonly node: SimNode;
  readonly lb: SimLb;
  readonly server: LbServer;
  readonly index: number;
  readonly which: number;
}

export function boot({ stage, node }: At): void {
  const policy = stage.layout.policies[node.index]?.[stage.version[node.index] ?? 0];
  if (policy) node.boot(policy);
}

/** The next start comes so long after. */
const KILLED_MS = 4_000;

export function killHolder({ stage, which }: At): void {
  killFor(stage, (which * KILLED_MS) / 8);
}

/** Longer than a waiter needs to free its slot, with answers that are slow. */
const LOST_MS = 14_000;
const WAITING_MS = 15_000;

export function loseHolder({ stage, index, which }: At): void {
  const lost = killFor(stage, LOST_MS);
  if (lost === null) return;
  if (which % 2 === 0) for (const lb of stage.lbs) if (!lb.polls) lb.reload(false);
  for (const node of stage.nodes)
    if (node !== lost && node.running)
      node.submit({
        ...OWN_TERMS,
        id: `l${index}-${node.index}`,
        kind: 'drain',
        by: 'test',
        reason: null,
        waitForSlotMs: WAITING_MS,
      });
}

/** Long enough for it to be out by its new names. */
const RENAMED_MS = 3_000;

/** Where both configurations are the same it is a restart, and then it is lost. */
export function renameHolder(at: At): void {
  const { stage } = at;
  const node = holderIn(stage);
  if (node === undefined) return;
  reconfigure({ ...at, node });
  stage.time.advance(RENAMED_MS);
  loseHolder(at);
}

function holderIn({ nodes, lock, time }: Stage): SimNode | undefined {
  const holders = lock.view(time.now).holders.map(({ claim }) => claim.node);
  return nodes.find(({ policy, running }) => running && holders.includes(policy.node));
}

/** The node that holds a slot. @returns null where none does */
function killFor(stage: Stage, awayMs: number): SimNode | null {
  const { time, layout, version } = stage;
  const node = holderIn(stage);
  const policy = node && layout.policies[node.index]?.[version[node.index] ?? 0];
  if (!node || !policy) return null;
  node.crash();
  const { life } = node;
  // Whatever starts it meanwhile has started it.
  time.after(awayMs, () => {
    if (node.life === life && !node.running) node.boot(policy);
  });
  return node;
}

/** HAProxy's check has seen it too. */
const CHECKED_MS = 1_100;

export function revive({ stage, node, which }: At): void {
  // Every other one leaves the pid file as it is.
  node.app.spawn('works', which % 2 === 0);
  stage.time.advance(CHECKED_MS);
}

/** The other configuration is there at the next boot, and HAProxy has the servers that it names. */
export function reconfigure(at: At): void {
  const { stage, node } = at;
  const { layout, version, lbs } = stage;
  node.crash();
  const next = 1;
  for (const plan of layout.lbs) {
    const lb = lbs.find(({ name }) => name === plan.name);
    for (const backend of new Set(plan.servers.flat())) {
      const server = lb?.server(serverName(plan, backend, node.index));
      if (server) server.listed = plan.servers[next].includes(backend);
    }
    const isRenamed =
      version[node.index] === 0 &&
      plan.servers[0][0] !== plan.servers[1][0] &&
      plan.servers[0].length === plan.servers[1].length;
    if (isRenamed) lb?.reload(false);
  }
  version[node.index] = next;
  stage.time.advance(100);
  boot(at);
}

/** A later version has written the record, in a phase that it alone has. */
export function newer(at: At): void {
  const { node, stage } = at;
  node.crash();
  if (node.disk.content !== null) {
    const record = JSON.parse(node.disk.content) as StateRecord;
    if (['draining', 'drained', 'stopped'].includes(record.phase))
      node.disk.content = JSON.stringify({ ...record, phase: 'ramping' });
  }
  stage.time.advance(100);
  boot(at);
}
