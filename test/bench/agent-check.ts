import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { startSidecar } from '../support/sidecar.ts';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import { median, percentile, round, type Figure, type Plot } from './figures.ts';
import { percentilesOf } from './percentiles.ts';

const CONNECTIONS = 10_000;
/** So many are open at any time: one poll each of as many HAProxys. */
const AT_ONCE = 100;
/** Of an answer, for a fleet that polls at the same moment; HAProxy waits for a second or more (`timeout check`, `inter`). */
const P99_MS = 200;

interface Answers {
  /** From the connect to the end of the answer. */
  readonly ms: readonly number[];
  /** Why there was no whole line, one for each. */
  readonly failed: readonly string[];
}

/** Ten thousand polls of one agent-check port, a hundred at a time. */
export async function agentCheck(site: Site): Promise<Figure[]> {
  const node = site.nodes[2];
  if (node === undefined) throw new Error('the site has no third node');
  const sidecar = await startSidecar(site, node, AbortSignal.timeout(60_000));
  try {
    // A sidecar that has just started and knows nothing yet answers with an empty line: no change.
    await until('the sidecar knows what to answer', async () => (await faultOf(node.agentPort)) === null);
    const { ms, failed } = await pollAll(node.agentPort);
    const how = `${CONNECTIONS} connections, ${AT_ONCE} at a time`;
    const first = failed[0] === undefined ? '' : `; the first: ${failed[0]}`;
    return [
      {
        name: 'agent-check: connections without an answer',
        value: failed.length,
        unit: '',
        limit: 0,
        exact: true,
        how: `${how}${first}`,
      },
      {
        name: 'agent-check: answer, p99',
        value: percentile(ms, 0.99),
        samples: ms,
        unit: 'ms',
        limit: P99_MS,
        how: `${how}; median ${round(median(ms))} ms, slowest ${round(Math.max(...ms))} ms`,
        plots: [plotOf(ms)],
      },
    ];
  } finally {
    await sidecar.stop();
  }
}

async function pollAll(port: number): Promise<Answers> {
  const [ms, failed]: [number[], string[]] = [[], []];
  let begun = 0;
  const caller = async (): Promise<void> => {
    while (begun++ < CONNECTIONS) {
      const began = performance.now();
      const why = await faultOf(port);
      if (why === null) ms.push(performance.now() - began);
      else failed.push(why);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  return { ms, failed };
}

/** Null for a whole line; an empty one is an answer, which changes nothing. */
async function faultOf(port: number): Promise<string | null> {
  try {
    const line = await text(connect(port, '127.0.0.1'));
    return /^.*\n$/.test(line) ? null : `the answer is ${JSON.stringify(line)}`;
  } catch (error) {
    return String(error);
  }
}

function plotOf(ms: readonly number[]): Plot {
  return {
    title: `Answers of agent-check, ${CONNECTIONS} connections`,
    across: '% of the answers',
    up: 'ms at most',
    lines: [{ name: 'lastcall', points: percentilesOf(ms) }],
  };
}
