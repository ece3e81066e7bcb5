import { setTimeout as sleep } from 'node:timers/promises';
import { createUsers, type Report, type Users } from '../fixtures/users.ts';
import type { Site, SiteNode } from '../support/site.ts';
import type { Screen } from './screen.ts';

/** One way to restart all nodes, one after the other. */
export interface Way {
  /** As the receipt calls it. */
  readonly name: string;
  /** As the live table calls it. */
  readonly title: string;
  /**
   * Restarts one node and returns when it is back in service.
   * @throws Error when it did not come back
   */
  restart(node: SiteNode, doing: (what: string) => void, signal: AbortSignal): Promise<void>;
}

/** What a round cost its users. */
export interface Receipt {
  readonly name: string;
  readonly report: Report;
  /** From the first restart's begin to the last one's end. */
  readonly seconds: number;
}

/** Live users of the demo: about 60 with a click every half second, each leaving after some five seconds. */
const USERS = { population: 60, thinkMs: 400, stayMs: 5000, pageMs: 100 };
/** Before the first restart, so that every user has a history, and after the last, so that losses are noticed. */
const SETTLE_MS = 1500;
const REDRAW_MS = 200;

/** Restarts every node under live users and answers what it cost. @throws what the way throws */
export async function runRound(site: Site, way: Way, screen: Screen, signal: AbortSignal): Promise<Receipt> {
  const users = createUsers({ url: site.url, ...USERS });
  const over = new AbortController();
  const stage = { doing: 'users come in' };
  const step = (what: string): void => {
    stage.doing = what;
    screen.step(what);
  };
  screen.say(`\n${way.title}`);
  const showing = show(site, users, stage, screen, over.signal);
  try {
    await users.start();
    await sleep(SETTLE_MS, undefined, { signal });
    const began = performance.now();
    for (const node of site.nodes) {
      await way.restart(node, (what) => step(`${node.name}: ${what}`), signal);
    }
    const seconds = (performance.now() - began) / 1000;
    step('all nodes are back; users go on');
    await sleep(SETTLE_MS, undefined, { signal });
    return { name: way.name, report: await users.stop(), seconds };
  } finally {
    await users.stop();
    over.abort();
    await showing;
    screen.rest();
  }
}

async function show(
  site: Site,
  users: Users,
  stage: { readonly doing: string },
  screen: Screen,
  over: AbortSignal,
): Promise<void> {
  const began = performance.now();
  while (!over.aborted) {
    const nodes = await lookAt(site);
    const seconds = (performance.now() - began) / 1000;
    screen.show({ seconds, doing: stage.doing, report: users.report(), nodes });
    await pause(over);
  }
}

async function lookAt(site: Site): Promise<{ name: string; status: string; sessions: number | null }[]> {
  // On the way out HAProxy may be gone before the table is: then there is nothing to be seen any more.
  const statuses = await site.statuses().catch(() => new Map<string, string>());
  return Promise.all(
    site.nodes.map(async (node) => ({
      name: node.name,
      status: statuses.get(node.name) ?? '?',
      sessions: await node.sessions(),
    })),
  );
}

async function pause(over: AbortSignal): Promise<void> {
  try {
    await sleep(REDRAW_MS, undefined, { signal: over });
  } catch (error) {
    if (!over.aborted) throw error;
  }
}
