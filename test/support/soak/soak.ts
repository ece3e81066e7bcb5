import { join } from 'node:path';
import { openRig, patience } from '../rig.ts';
import { ask, SOAK_FAULTS, type SoakNode } from './faults.ts';
import { growthOf, type Growth, type Measure, MEASURES, type Size, sizeOf, TELLS_SIZE } from './size.ts';

/** Drain and ready, thousands of times, by one sidecar, with faults in between. */

export interface Soaked {
  readonly cycles: number;
  /** How often each fault was met. */
  readonly faults: Readonly<Record<string, number>>;
  /** What did not end as it should. */
  readonly broken: readonly string[];
  readonly growth: Readonly<Record<Measure, Growth>>;
  readonly sizes: readonly Size[];
}

const SAMPLES = 40;
/** What V8 compiles and what histories hold comes in the first cycles: they are not judged, nor ever more than half. */
const WARM_CYCLES = 300;

/**
 * One node of its own with its HAProxy.
 * @param program another lastcall.mjs to try
 */
export async function soak(cycles: number, program?: string): Promise<Soaked> {
  const rig = await openRig({ master: true });
  try {
    const size = join(rig.dir, 'size');
    const agent = await rig.sidecar({
      preload: TELLS_SIZE,
      probeEvery: '100ms',
      env: { LASTCALL_SIZE: size },
      sections: {
        balancers: [
          {
            haproxy: `unix:${rig.haproxy.socket}`,
            master: rig.haproxy.masterSocket,
            servers: ['app/app1'],
          },
        ],
      },
      ...(program === undefined ? {} : { program }),
    });
    await agent.reaches('serving');
    const node = { rig, agent, state: join(rig.dir, 'app1.json') };
    return await play(node, cycles, (cycle) => sizeOf(agent.pid, size, cycle));
  } finally {
    await rig.close();
  }
}

async function play(
  node: SoakNode,
  cycles: number,
  measure: (cycle: number) => Promise<Size>,
): Promise<Soaked> {
  const faults: Record<string, number> = {};
  const broken: string[] = [];
  const sizes: Size[] = [];
  const from = Math.min(WARM_CYCLES, Math.round(cycles / 2));
  const every = Math.max(1, Math.floor((cycles - from) / SAMPLES));
  for (let cycle = 1; cycle <= cycles; cycle++) {
    const fault = SOAK_FAULTS.find((one) => cycle % one.every === 0);
    if (fault !== undefined) faults[fault.name] = (faults[fault.name] ?? 0) + 1;
    const drained = await (fault === undefined ? ask(node, 'drain') : fault.drain(node));
    const returned = await ask(node, 'ready');
    for (const { ok, operation, code, message } of [drained, returned])
      if (!ok) broken.push(`${cycle} (${fault?.name ?? 'no fault'}): ${operation}: ${code}: ${message}`);
    if (cycle < from || (cycle - from) % every !== 0) continue;
    // A reader that went away has its part in what is measured.
    await node.agent.client.status(patience());
    sizes.push(await measure(cycle));
  }
  const growth = Object.fromEntries(MEASURES.map((one) => [one, growthOf(sizes, one)]));
  return { cycles, faults, broken, growth: growth as Soaked['growth'], sizes };
}
