import { join } from 'node:path';
import { messageOf } from '../../../agent/system/error.ts';
import { excuseFor } from '../crash/excuse.ts';
import { startEtcd } from '../etcd.ts';
import { openRig, patience, type Rig } from '../rig.ts';
import { processesOf, watchRunDelay } from '../run-delay.ts';
import { ask, SOAK_FAULTS, type SoakNode } from './faults.ts';
import { type Size, sizeOf, TELLS_SIZE } from './size.ts';

/** Drain and ready, thousands of times, by one sidecar, with faults in between. */

export interface SoakOptions {
  readonly cycles: number;
  /** The number of the first one: several nodes share the faults of a soak. */
  readonly from?: number;
  /** The etcd to start; null = the node has no pool, and meets no fault of the lock. */
  readonly etcd: string | null;
  /** Another lastcall.mjs to try. */
  readonly program?: string;
}

export interface Soaked {
  readonly cycles: number;
  /** How often each fault was met. */
  readonly faults: Readonly<Record<string, number>>;
  /** What did not end as it should. */
  readonly broken: readonly string[];
  /** The same where a process had no processor, by the kernel's figures, which alone may have caused it (crash/excuse.ts). */
  readonly spoilt: readonly string[];
  readonly sizes: readonly Size[];
}

const SAMPLES = 40;
/** What V8 compiles and what histories hold comes in the first cycles: they are not judged, nor ever more than half. */
const WARM_CYCLES = 300;
/** So many of them end the soak: it shows no more. */
const MOST_BROKEN = 10;

/** One node of its own with its HAProxy and its etcd. */
export async function soak(options: SoakOptions): Promise<Soaked> {
  const rig = await openRig({ master: true });
  const closing: (() => Promise<void>)[] = [() => rig.close()];
  try {
    const etcd = options.etcd === null ? null : await startEtcd(options.etcd);
    if (etcd !== null) closing.unshift(() => etcd.close());
    // The pool is in use for longer than a lease.
    await etcd?.put('/lastcall/app/epoch', 'of-the-test');
    const size = join(rig.dir, 'size');
    const agent = await rig.sidecar({
      preload: TELLS_SIZE,
      probeEvery: '100ms',
      env: { LASTCALL_SIZE: size },
      sections: sectionsFor(rig, etcd?.url ?? null),
      ...(options.program === undefined ? {} : { program: options.program }),
    });
    await agent.reaches('serving');
    const node = { rig, agent, etcd, state: join(rig.dir, 'app1.json') };
    return await play(node, options, (cycle) => sizeOf(agent.pid, size, cycle));
  } finally {
    for (const close of closing) await close();
  }
}

function sectionsFor({ haproxy }: Rig, etcd: string | null): Readonly<Record<string, unknown>> {
  const balancers = [
    { haproxy: `unix:${haproxy.socket}`, master: haproxy.masterSocket, servers: ['app/app1'] },
  ];
  const pool = { pool: { name: 'app' }, lock: { etcd: { endpoints: [etcd], ttl: '10s' } } };
  return { balancers, ...(etcd === null ? {} : pool) };
}

async function play(
  node: SoakNode,
  { cycles, from = 0 }: SoakOptions,
  measure: (cycle: number) => Promise<Size>,
): Promise<Soaked> {
  const soaked = { cycles: 0, faults: {} as Record<string, number>, sizes: [] as Size[] };
  const broken: string[] = [];
  const spoilt: string[] = [];
  const warm = Math.min(WARM_CYCLES, Math.round(cycles / 2));
  const every = Math.max(1, Math.floor((cycles - warm) / SAMPLES));
  let isAlive = true;
  void node.agent.ended.then(() => (isAlive = false));
  for (let cycle = 1; cycle <= cycles && isAlive && broken.length < MOST_BROKEN; cycle++) {
    const { fault, wrong, excuse } = await watched(node, () => playCycle(node, from + cycle));
    if (fault !== null) soaked.faults[fault] = (soaked.faults[fault] ?? 0) + 1;
    for (const text of wrong)
      (excuse === null ? broken : spoilt).push(
        `${cycle} (${fault ?? 'no fault'}): ${text} (${excuse ?? 'nothing excuses it'})`,
      );
    soaked.cycles = cycle;
    if (isAlive && cycle >= warm && (cycle - warm) % every === 0) soaked.sizes.push(await measure(cycle));
  }
  if (!isAlive) broken.push(`the sidecar has ended:\n${node.agent.log().slice(-2_000)}`);
  return { ...soaked, broken, spoilt };
}

interface Cycle {
  readonly fault: string | null;
  readonly wrong: readonly string[];
}

/** With what excuses it where it went wrong. */
async function watched(
  { rig, agent }: SoakNode,
  play: () => Promise<Cycle>,
): Promise<Cycle & { readonly excuse: string | null }> {
  const fromMs = performance.now();
  const ended = watchRunDelay(() => processesOf(rig.haproxy.pid, agent, [rig.node]));
  const cycle = await play();
  const [toMs, series] = [performance.now(), ended()];
  const isOtherwise = cycle.wrong.length > 0;
  return {
    ...cycle,
    excuse: excuseFor({ fromMs, toMs, series, lost: 0, failed: 0, harms: [], isOtherwise }),
  };
}

/** Out and back, with the fault of that number. */
async function playCycle(node: SoakNode, number: number): Promise<Cycle> {
  const fault = SOAK_FAULTS.find(
    ({ every, isOfLock }) => number % every === 0 && !(isOfLock === true && node.etcd === null),
  );
  const wrong: string[] = [];
  for (const step of [() => fault?.drain(node) ?? ask(node, 'drain'), () => ask(node, 'ready')]) {
    try {
      const { ok, operation, code, message } = await step();
      if (!ok) wrong.push(`${operation}: ${code}: ${message}`);
    } catch (error) {
      wrong.push(messageOf(error));
    }
  }
  // A reader that went away has its part in what is measured.
  if (wrong.length === 0) await node.agent.client.status(patience());
  return { fault: fault?.name ?? null, wrong };
}
