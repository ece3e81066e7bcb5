import { afterEach, describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import {
  type Agent,
  column,
  openRig,
  type RigPage,
  patience,
  type Rig,
  type RigOptions,
  told,
  type Visitor,
} from '../support/rig.ts';
import { recordSamples, type Samples } from '../support/samples.ts';
import { until } from '../support/until.ts';

let rig: Rig;
let samples: Samples;
afterEach(async () => {
  await samples.stop();
  await rig.close();
});

const USERS = 10;
const CLICK_MS = 500;

interface Clicker {
  readonly pages: readonly RigPage[];
  /** When the user began to log out, by the calendar. */
  readonly leftAt: number;
}

/** A user who comes after a while, clicks twice a second, and logs out. */
async function clicking(visitor: Visitor, afterMs: number, clicks: number): Promise<Clicker> {
  const pages: RigPage[] = [];
  await sleep(afterMs);
  for (let click = 0; click < clicks; click++) {
    pages.push(await visitor.click());
    await sleep(CLICK_MS);
  }
  const leftAt = Date.now();
  pages.push(await visitor.click('/logout'));
  return { pages, leftAt };
}

const TABLE_OF_APP1 = { table: 'app', server: 'app/app1', expire: '6s' };
const TABLE = {
  others:
    '  server app2 127.0.0.1:1 cookie app2\n  stick-table type string len 40 size 1k expire 6s\n' +
    '  stick on cookie(JSESSIONID)\n  stick store-response res.cook(JSESSIONID)\n',
} satisfies RigOptions;

/** One line of the log: lastcall's count, and then the application's and HAProxy's. */
interface Line {
  readonly phase: Phase;
  readonly total: number | null;
  /** Sessions in the application's memory; null once it is gone. */
  readonly truth: number | null;
  readonly scur: string | undefined;
}

/** Asks all three, over and over, until the application is gone. */
async function keepLog(agent: Agent): Promise<readonly Line[]> {
  const log: Line[] = [];
  for (;;) {
    const { phase, sessions } = await agent.client.status(patience());
    const truth = await rig.node.sessions();
    log.push({ phase, total: sessions.total, truth, scur: await column(rig.haproxy, 'app', 1, 'scur') });
    if (truth === null) return log;
    await sleep(20);
  }
}

describe('Ten sticky users who click twice a second', () => {
  test.each([
    ['the application counts them', {}, {}],
    ['only a stick table knows them', TABLE, { sessions: [{ stickTable: TABLE_OF_APP1 }] }],
  ])('are never taken for zero, where %s', async (_how, options, sections) => {
    rig = await openRig({ termMs: 50, ...options });
    const agent = await rig.sidecar({ quiet: '300ms', sections });
    await agent.reaches('serving');
    // A table is to be believed once its worker is older than what it remembers; at rest it is asked every ten seconds.
    await until('a source counts', async () => {
      const { sources } = (await agent.client.status(patience())).sessions;
      return sources.every(({ count }) => count !== null);
    });
    const visitors = await Promise.all(Array.from({ length: USERS }, () => rig.signIn()));
    const stopping = told(agent.cli('stop'));
    await agent.reaches('draining');
    samples = await recordSamples(agent);
    // What was counted at rest is ten seconds old.
    await until(
      'all are counted',
      async () => (await agent.client.status(patience())).sessions.total === USERS,
    );
    const keeping = keepLog(agent);
    const users = await Promise.all(
      visitors.map((visitor, seat) => clicking(visitor, seat * 50, 3 + Math.floor(seat / 3))),
    );
    const pages = users.flatMap((user) => user.pages);
    const { code, json } = await stopping;
    const log = await keeping;
    await samples.stop();

    expect({ code, phase: json.phase, forced: json.forced, sessions: json.sessions }).toMatchObject({
      code: 0,
      phase: 'stopped',
      forced: 0,
      sessions: { start: USERS, last: 0 },
    });
    const good = JSON.stringify({ status: 200, node: 'app1', lost: false });
    expect(new Set(pages.map((page) => JSON.stringify(page)))).toEqual(new Set([good]));

    // The proof: no line has fewer users than the application still has, or reports the end too early.
    const there = log.filter(({ truth }) => truth !== null && truth > 0);
    expect(there.filter(({ total, truth }) => total !== null && total < Number(truth))).toEqual([]);
    expect(new Set(there.map(({ phase }) => phase))).toEqual(new Set(['draining']));
    const lastLeft = Math.max(...users.map(({ leftAt }) => leftAt));
    const others = samples.all.filter(({ status }) => status.phase !== 'draining');
    expect(others.map(({ status }) => status.phase)).toContain('stopped');
    expect(others.filter(({ status }) => Date.parse(status.since) < lastLeft)).toEqual([]);

    // Connections alone would have counted zero, most of the time.
    const zeros = there.filter(({ scur }) => scur === '0').length;
    expect(zeros).toBeGreaterThan(there.length / 2);
  });
});
