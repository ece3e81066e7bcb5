import { afterEach, describe, expect, test } from '@jest/globals';
import { type Guest, openWebsocket } from '../support/app-with-open-connections.ts';
import type { SidecarOptions } from '../support/sidecar.ts';
import { column, openRig, type Rig, told } from '../support/rig.ts';

let rig: Rig;
afterEach(() => rig.close());

const PACE = 20;
/** The pace is kept by at most two rounds a second. */
const ROUND = PACE / 2;

const DRAIN = { timeout: '1s', onTimeout: 'force', quiet: '0s', pace: PACE };

/** So many websockets at app1; each end is noted, in milliseconds of the monotonic clock. */
async function stubborn(count: number, ends: number[]): Promise<readonly Guest[]> {
  const port = Number(new URL(rig.url).port);
  const guests = await Promise.all(Array.from({ length: count }, () => openWebsocket(port, 'SRV=app1')));
  for (const { ended } of guests) void ended.then(() => ends.push(performance.now()));
  return guests;
}

/** The most that ended within any second. */
function busiestSecond(ends: readonly number[]): number {
  return Math.max(...ends.map((from) => ends.filter((end) => end >= from && end < from + 1_000).length));
}

function sections(balancer: Readonly<Record<string, unknown>> = {}): SidecarOptions {
  const balancers = [{ haproxy: `unix:${rig.haproxy.socket}`, servers: ['app/app1'], ...balancer }];
  return { sections: { balancers, drain: DRAIN } };
}

describe('The deadline with 40 stubborn websockets', () => {
  test('closes them at the pace set, sees that all are gone, and says how many and of what kind', async () => {
    rig = await openRig({ termMs: 50 });
    const agent = await rig.sidecar(sections());
    const ends: number[] = [];
    const guests = await stubborn(40, ends);
    const { code, json } = await told(agent.cli('stop'));
    expect({ code, phase: json.phase, forced: json.forced, closed: json.closed }).toEqual({
      code: 0,
      phase: 'stopped',
      forced: 40,
      closed: { tunnels: 40, requests: 0 },
    });
    expect(json.balancers[0]?.servers[0]).toMatchObject({ admin: 'maint', connections: 0, queued: 0 });
    expect(json.warnings.join('\n')).toContain('40 connections');
    expect(await column(rig.haproxy, 'app', 1, 'scur')).toBe('0');
    await Promise.all(guests.map(({ ended }) => ended));
    expect(ends).toHaveLength(40);
    expect(busiestSecond(ends)).toBeLessThanOrEqual(PACE + ROUND);
    expect(await rig.terms()).toBe(1);
  });

  test('half of them on a worker of before a reload: the same, over both', async () => {
    rig = await openRig({ master: true, termMs: 50 });
    const agent = await rig.sidecar(sections({ master: `unix:${rig.haproxy.masterSocket}` }));
    const ends: number[] = [];
    const before = await stubborn(20, ends);
    await rig.haproxy.reload();
    const after = await stubborn(20, ends);
    const { code, json } = await told(agent.cli('drain'));
    expect({ code, phase: json.phase, forced: json.forced, closed: json.closed }).toEqual({
      code: 0,
      phase: 'drained',
      forced: 40,
      closed: { tunnels: 40, requests: 0 },
    });
    await Promise.all([...before, ...after].map(({ ended }) => ended));
    expect(busiestSecond(ends)).toBeLessThanOrEqual(PACE + ROUND);
  });

  test('half of them where no socket shows them, without a master socket: the result says so', async () => {
    rig = await openRig({ master: true, termMs: 50 });
    const { sections: words } = sections();
    const agent = await rig.sidecar({ sections: { ...words, reloadGrace: '1m' } });
    await agent.reaches('serving');
    const ends: number[] = [];
    const hidden = await stubborn(4, ends);
    await rig.haproxy.reload();
    await stubborn(4, ends);
    const { code, json } = await told(agent.cli('drain'));
    expect({ code, phase: json.phase }).toEqual({ code: 0, phase: 'drained' });
    expect(json.warnings.join('\n')).toContain('unknown');
    for (const guest of hidden) guest.leave();
  });
});
