import { afterEach, describe, expect, test } from '@jest/globals';
import { lastcall } from '../support/cli.ts';
import { interruptedIn, silentOnce } from '../support/stuck.ts';
import { openRig, patience, type Rig, type RigOptions } from '../support/rig.ts';
import { until } from '../support/until.ts';

/** Ctrl-C in each phase of each verb (INVARIANTS.md#other-promises): answered within two seconds, and the answer is true. */

let rig: Rig;
const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
  await rig.close();
});

interface Case {
  readonly verb: 'drain' | 'stop' | 'ready';
  readonly phase: string;
  readonly options?: RigOptions;
  /** Makes it so that the operation stays in this phase. */
  readonly before?: () => Promise<unknown>;
  /** A source of the case's own, in the place of the application's. */
  readonly source?: () => Promise<string>;
  readonly words?: () => readonly string[];
  /** In direct mode. */
  readonly says: string | RegExp;
  /** Status of app1 in HAProxy afterwards, in direct mode. */
  readonly leaves: string | RegExp;
}

const sessions = (): string[] => ['--sessions', `${rig.node.url}/sessions`];
const stopBy = (): string[] => ['--stop-pid', rig.node.pidFile, '--not-sticky'];
const killed = (): Promise<void> => rig.node.kill();
const inMaint = async (): Promise<void> => {
  await rig.haproxy.command('set server app/app1 state maint');
};
const silentInMaint = (): Promise<string> => silentOnce(open, async () => (await rig.admin()) === 'MAINT');
/** Out of MAINT HAProxy calls it UP until its next check. */
const downInDrain = async (): Promise<void> => {
  await until('HAProxy has it down', async () => (await rig.admin()).startsWith('DOWN'));
  await rig.haproxy.command('set server app/app1 state drain');
};
/** HAProxy takes it for down for good, and its probe is well. */
const downByCommand = async (): Promise<void> => {
  await rig.haproxy.command('disable health app/app1');
  await rig.haproxy.command('set server app/app1 health down');
};
const CASES: readonly Case[] = [
  {
    verb: 'drain',
    phase: 'draining',
    before: () => rig.signIn(),
    words: sessions,
    says: 'what was found is restored',
    leaves: 'no check',
  },
  {
    verb: 'drain',
    phase: 'settling',
    words: () => ['--quiet-for', '40s'],
    says: 'what was found is restored',
    leaves: 'no check',
  },
  {
    verb: 'drain',
    phase: 'fencing',
    source: silentInMaint,
    says: 'what was found is restored',
    leaves: 'no check',
  },
  {
    verb: 'stop',
    phase: 'fencing',
    source: silentInMaint,
    words: stopBy,
    says: 'what was found is restored',
    leaves: 'no check',
  },
  {
    verb: 'stop',
    phase: 'draining',
    before: () => rig.signIn(),
    words: () => [...sessions(), ...stopBy()],
    says: 'what was found is restored',
    leaves: 'no check',
  },
  {
    verb: 'stop',
    phase: 'stopping',
    options: { termMs: 20_000 },
    words: stopBy,
    says: /given up in stopping; not restored: .*app\/app1 is MAINT and was READY/,
    leaves: 'MAINT',
  },
  {
    verb: 'ready',
    phase: 'warming',
    before: async () => {
      await killed();
      await inMaint();
    },
    words: () => ['--health', `${rig.node.url}/health`],
    says: 'what was found is restored',
    leaves: 'MAINT',
  },
  {
    verb: 'ready',
    phase: 'returning',
    options: { server: 'check inter 100ms fall 1' },
    before: async () => {
      await killed();
      await downInDrain();
    },
    says: /given up in returning; not restored: .*app\/app1 is READY and was DRAIN/,
    leaves: /^DOWN/,
  },
];

describe('Ctrl-C in direct mode', () => {
  test.each(CASES)(
    'on $verb in $phase',
    async ({ verb, phase, options, before, source, words, says, leaves }) => {
      rig = await openRig(options);
      await before?.();
      const where = ['--haproxy', rig.haproxy.socket, '--server', 'app/app1'];
      const counted = source ? ['--sessions', await source()] : [];
      const stderr = await interruptedIn(lastcall([verb, ...where, ...counted, ...(words?.() ?? [])]), phase);
      expect(stderr).toMatch(says);
      // HAProxy's own check may not have failed yet.
      await until(`app1 is ${String(leaves)}`, async () => new RegExp(leaves).test(await rig.admin()));
    },
  );
});

describe('Ctrl-C on a client of the sidecar', () => {
  test.each(CASES)(
    'on $verb in $phase leaves it running',
    async ({ verb, phase, options, before, source, words }) => {
      rig = await openRig(options);
      const quiet = words?.().includes('--quiet-for') === true ? { quiet: '20s' } : {};
      const sections = source ? { sessions: [{ http: { url: await source() } }] } : {};
      const agent = await rig.sidecar({ start: false, sections, ...quiet });
      if (phase === 'returning') {
        await agent.cli('drain', '--no-fence', '--force', '--reason', 'test').outcome;
        await downByCommand();
      } else if (verb === 'ready') {
        await agent.cli('drain', '--force', '--reason', 'test').outcome;
        await killed();
      } else await before?.();
      const stderr = await interruptedIn(agent.plain(verb), phase);
      const { operation } = await agent.client.status(patience());
      expect(operation?.operation).toBe(verb);
      expect(stderr).toContain(`the ${verb} goes on in the sidecar`);
      expect(stderr).toContain(verb === 'ready' ? 'lastcall drain' : 'lastcall ready');
    },
  );
});

test('`ready` says for which server it waits, and what HAProxy has against it', async () => {
  rig = await openRig({ server: 'check inter 100ms fall 1' });
  await killed();
  await downInDrain();
  const where = ['--haproxy', rig.haproxy.socket, '--server', 'app/app1'];
  const running = lastcall(['ready', ...where, '--timeout', '4s']);
  await running.said('app/app1 is DOWN (L4CON, ');
  const { code, stderr } = await running.outcome;
  expect(code).toBe(70);
  expect(stderr).toMatch(/not UP at the deadline: .*app\/app1 is DOWN \(L4CON, /);
});
