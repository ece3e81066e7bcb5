import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api/driver.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { median, round, type Figure, type Row } from './figures.ts';
import { haproxiesToMeasure } from './haproxies.ts';
import { processorMs } from './processor.ts';

const POLLS = 400;
const DUMPS = 40;
/** Polls and dumps take turns, so many of each at a time: the processor's time of one alone is too little to be read. */
const ROUNDS = 10;
const [FEW, MANY] = [1, 1_000];
const DUMP = 'show stat';
/** Of the bytes of a dump of all servers. */
const OF_DUMP = 1 / 40;
const POLL_MS = 0.1;
const BYTES = 4_096;
/** On 3.2 the head of `show stat` alone has 2.9 kB, and no command leaves it out; `show info`, which names the worker, 1.2 kB. */
const BYTES_FROM_3 = 5_120;
const SLOWER_BY_SIZE = 2;

interface Cost {
  /** That one poll reads. */
  readonly bytes: number;
  /** From the question to the answer, poll by poll. */
  readonly ms: readonly number[];
  /** HAProxy's own time for one poll and for one dump, round by round. */
  readonly processor: { readonly poll: readonly number[]; readonly dump: readonly number[] };
  readonly dumpBytes: number;
}

/** What one poll of our own driver costs HAProxy beside a dump of all servers, as scripts ask for it, by 1 and by 1,000 servers. */
export async function poll(): Promise<Row[]> {
  const { found, missing } = haproxiesToMeasure('one poll');
  const rows: Row[] = [...missing];
  for (const { dir, version } of found) {
    const few = await withServers(FEW, dir);
    const many = await withServers(MANY, dir);
    rows.push(...bytesRows(version, few, many), ...timeRows(version, few, many));
  }
  return rows;
}

function bytesRows(version: string, few: Cost, many: Cost): Figure[] {
  const how = `median of ${POLLS}; ${few.bytes} B with ${FEW} server`;
  const bytes = { unit: 'B', value: many.bytes, exact: true };
  const dump = { name: DUMP, value: many.dumpBytes };
  const limit = Number(version.split('.')[0]) < 3 ? BYTES : BYTES_FROM_3;
  return [
    { name: `${version}: bytes that one poll reads, ${MANY} servers`, ...bytes, limit, how },
    {
      name: `${version}: the same, against a dump`,
      ...bytes,
      kind: 'ratio',
      limit: OF_DUMP,
      peer: dump,
      how,
    },
  ];
}

function timeRows(version: string, few: Cost, many: Cost): Figure[] {
  const { processor, ms } = many;
  const how = `${ROUNDS} rounds of ${POLLS / ROUNDS} polls and ${DUMPS / ROUNDS} dumps, of all its threads`;
  const own = { unit: 'ms', value: median(processor.poll), samples: processor.poll, how };
  const dump = { name: DUMP, value: median(processor.dump), samples: processor.dump };
  return [
    { name: `${version}: HAProxy's time for one poll, ${MANY} servers`, ...own, limit: POLL_MS, peer: dump },
    {
      name: `${version}: time of one poll, ${MANY} servers against ${FEW}`,
      value: median(ms),
      samples: ms,
      unit: 'ms',
      kind: 'ratio',
      limit: SLOWER_BY_SIZE,
      peer: { name: `${FEW} server`, value: median(few.ms), samples: few.ms },
      how: `medians of ${POLLS}, question to answer; with ${FEW} server ${round(median(few.ms))} ms`,
    },
  ];
}

async function withServers(servers: number, programDir: string): Promise<Cost> {
  const haproxy = await startHaproxy(configuration(servers), { programDir });
  try {
    const processor: { poll: number[]; dump: number[] } = { poll: [], dump: [] };
    const ms: number[] = [];
    const look = await polling(haproxy.socket);
    for (let round = 0; round < ROUNDS; round++) {
      processor.poll.push(
        await spentBy(haproxy, POLLS / ROUNDS, async () => void ms.push(await timed(look))),
      );
      processor.dump.push(await spentBy(haproxy, DUMPS / ROUNDS, () => haproxy.command(DUMP)));
    }
    const dumpBytes = Buffer.byteLength(await haproxy.command(DUMP));
    return { bytes: await bytesOf(haproxy), ms, processor, dumpBytes };
  } finally {
    await haproxy.stop();
  }
}

function configuration(servers: number): string {
  const lines = Array.from({ length: servers }, (_none, index) => `  server app${index + 1} 127.0.0.1:1\n`);
  return (
    'defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n' +
    `backend app\n${lines.join('')}`
  );
}

/** HAProxy's time on a processor for one of `times` calls. */
async function spentBy({ pid }: Haproxy, times: number, call: () => Promise<unknown>): Promise<number> {
  const before = processorMs(pid);
  for (let time = 0; time < times; time++) await call();
  return (processorMs(pid) - before) / times;
}

async function timed(call: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await call();
  return performance.now() - began;
}

/** Counts on a relay between the driver and HAProxy what comes back. */
async function bytesOf(haproxy: Haproxy): Promise<number> {
  let bytes = 0;
  const relay = createServer((client) => {
    const upstream = connect({ path: haproxy.socket });
    upstream.on('data', (chunk) => (bytes += chunk.length));
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
  });
  const path = join(haproxy.dir, 'relay.sock');
  relay.listen(path);
  await once(relay, 'listening');
  try {
    const look = await polling(path);
    const read: number[] = [];
    for (let time = 0; time < POLLS; time++) {
      const before = bytes;
      await look();
      read.push(bytes - before);
    }
    return median(read);
  } finally {
    relay.close();
  }
}

/** One poll of our own driver, over and over. The first ones find out the server's number and the worker; they are over. */
async function polling(socket: string): Promise<() => Promise<void>> {
  const { signal } = new AbortController();
  const options = { address: `unix:${socket}`, servers: ['app/app1'], timeoutMs: 5000 };
  const balancer = createRuntimeBalancer(options, { clock: realClock });
  const look = async (): Promise<void> => {
    const { addresses = {} } = await balancer.look(signal);
    if (!('app/app1' in addresses)) throw new Error('a poll has not seen app/app1');
  };
  for (let time = 0; time < 3; time++) await look();
  return look;
}
