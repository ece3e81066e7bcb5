import { messageOf } from '../../agent/system/error.ts';
import { startSidecar, type Sidecar } from '../support/sidecar.ts';
import { openSite, type Site } from '../support/site.ts';
import { isClean, renderReceipts } from './receipt.ts';
import { runRound, type Receipt } from './round.ts';
import { createScreen, type Screen } from './screen.ts';
import { lastcallWay, naiveWay } from './ways.ts';

/*
 * npm run demo: three stateful nodes behind a real HAProxy, some sixty live users, two rolling restarts.
 * Exit code 0 when lastcall failed no request and lost no session; 1 when it did, or when a round could not be run;
 * 130, 143 and 129 on SIGINT, SIGTERM and SIGHUP. Whatever the end, no process is left.
 */

/** The longest that it may take, cleaning up included. */
const PATIENCE_MS = 85_000;
/** As a servlet container takes its time; and an unused session expires, as everywhere. */
const NODES = { warmMs: 1500, idleMs: 5000 };
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const stop = new AbortController();
for (const [name, code] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    process.exitCode = code;
    stop.abort(new Error(`interrupted by ${name}`));
  });
}
// The reader of our output has gone (`npm run demo | head`): nothing may be left running all the same.
process.stdout.on('error', (error) => stop.abort(error));
const late = setTimeout(() => stop.abort(new Error(`not done after ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
const screen = createScreen(process.stdout);
try {
  await demo(screen, stop.signal);
} catch (error) {
  process.exitCode ??= 1;
  screen.say(`demo: ${messageOf(stop.signal.aborted ? stop.signal.reason : error)}`);
} finally {
  clearTimeout(late);
}

async function demo(shown: Screen, signal: AbortSignal): Promise<void> {
  shown.say('three stateful nodes behind HAProxy (haproxy/haproxy.cfg), 60 live users with sticky sessions');
  const site = await openSite(NODES, signal);
  try {
    const naive = await runRound(site, naiveWay(site), shown, signal);
    const lastcall = await lastcallRound(site, shown, signal);
    for (const line of renderReceipts(naive, lastcall)) shown.say(line);
    if (!isClean(lastcall)) process.exitCode = 1;
  } finally {
    await site.close();
  }
}

async function lastcallRound(site: Site, shown: Screen, signal: AbortSignal): Promise<Receipt> {
  const sidecars = new Map<string, Sidecar>();
  try {
    for (const node of site.nodes) sidecars.set(node.name, await startSidecar(site, node, signal));
    return await runRound(site, lastcallWay(sidecars), shown, signal);
  } finally {
    for (const sidecar of sidecars.values()) await sidecar.stop();
  }
}
