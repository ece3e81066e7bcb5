import { afterEach, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import { startRecorder } from '../support/recorder.ts';
import { type Agent, openRig, patience, type Rig, type RigOptions } from '../support/rig.ts';
import { sidecarConfig } from '../support/sidecar.ts';
import { interruptedIn, silentOnce } from '../support/stuck.ts';

/** Ctrl-C on a client of the sidecar, in what direct mode does not have or does not wait for (see interrupt-phases.test.ts). */

let rig: Rig;
let agent: Agent;
const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
  await rig.close();
});

interface SidecarCase {
  readonly verb: 'stop' | 'restart' | 'hold' | 'release';
  readonly phase: Phase;
  readonly options?: RigOptions;
  /** HAProxy never gets a line with this, from now on. */
  readonly stuck?: string;
  /** What is done before the command, with a sidecar that serves. */
  readonly before?: (agent: Agent) => Promise<unknown>;
  /** A source of the case's own. */
  readonly source?: () => Promise<string>;
  /** The start command does nothing, so the application is never healthy. */
  readonly startsNothing?: boolean;
  readonly undo: string;
}

const BY_SIDECAR: readonly SidecarCase[] = [
  { verb: 'restart', phase: 'draining', before: () => rig.signIn(), undo: 'ready' },
  {
    verb: 'restart',
    phase: 'fencing',
    source: () => silentOnce(open, async () => (await rig.admin()) === 'MAINT'),
    undo: 'ready',
  },
  {
    verb: 'stop',
    phase: 'drained',
    source: () => silentOnce(open, async () => (await agent.client.status(patience())).phase === 'drained'),
    undo: 'ready',
  },
  { verb: 'restart', phase: 'stopping', options: { termMs: 20_000 }, undo: 'ready' },
  { verb: 'restart', phase: 'warming', startsNothing: true, undo: 'ready' },
  { verb: 'restart', phase: 'returning', stuck: 'state ready', undo: 'ready' },
  { verb: 'hold', phase: 'draining', stuck: 'state drain', undo: 'release' },
  {
    verb: 'release',
    phase: 'returning',
    stuck: 'state ready',
    before: (serving) => serving.cli('hold', '--reason', 'test').outcome,
    undo: 'hold',
  },
];

async function sidecarOf({ stuck, source, startsNothing }: SidecarCase): Promise<Agent> {
  const recorder = await startRecorder(rig.haproxy.socket, join(rig.dir, 'between.sock'));
  open.push(recorder);
  if (stuck !== undefined)
    recorder.before((line) => (line.includes(stuck) ? new Promise<'drop'>(() => undefined) : undefined));
  const { app } = sidecarConfig(rig, rig.node) as { app: object };
  return rig.sidecar({
    sections: {
      balancers: [{ haproxy: `unix:${recorder.socket}`, servers: ['app/app1'] }],
      ...(source ? { sessions: [{ http: { url: await source() } }] } : {}),
      ...(startsNothing === true ? { app: { ...app, start: { command: ['true'] } } } : {}),
    },
  });
}

describe('Ctrl-C on what only a sidecar does', () => {
  test.each(BY_SIDECAR)('$verb in $phase goes on', async (one) => {
    const { verb, phase, options, before, undo } = one;
    rig = await openRig(options);
    agent = await sidecarOf(one);
    await agent.reaches('serving');
    await before?.(agent);
    const running = agent.plain(verb, '--reason', 'test');
    await running.said('accepted');
    await agent.reaches(phase);
    const stderr = await interruptedIn(running, 'accepted');
    expect(stderr).toContain(`the ${verb} goes on in the sidecar`);
    expect(stderr).toContain(`undo it with \`lastcall ${undo} --socket `);
    const { phase: now, operation, hold } = await agent.client.status(patience());
    expect(now).toBe(phase);
    if (verb === 'hold') expect(hold).toMatchObject({ reason: 'test' });
    else expect(operation?.operation).toBe(verb);
  });
});
