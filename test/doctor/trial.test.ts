import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LiveRequest } from '../../agent/cli/ports.ts';
import { readConfig } from '../../agent/config/load.ts';
import type { LiveProof } from '../../agent/doctor/diagnosis.ts';
import type { Examination } from '../../agent/doctor/examination.ts';
import { NO_SIDECAR, type Readout, readout } from '../../agent/doctor/readout.ts';
import { whyNoTrial } from '../../agent/doctor/trial-conditions.ts';
import { readExamination } from '../../agent/examine.ts';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { drainOnTrial } from '../../agent/trial-drain.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { memoryLog } from '../support/memory-log.ts';

/** When a trial drain is not begun, and what is left of one that ends before DRAIN is at HAProxy. */

const WORLD = { clock: realClock, log: memoryLog(), searchPath: process.env['PATH'], env: {} };

let haproxy: Haproxy;
let real: Examination;
beforeAll(async () => {
  haproxy = await startHaproxy(`defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
backend app
  cookie SRV insert indirect nocache
  server app1 127.0.0.1:1 cookie a
  server app2 127.0.0.1:1 cookie b
`);
  real = await examination({});
}, 30_000);
afterAll(() => haproxy?.stop());

async function examination(more: Readonly<Record<string, unknown>>): Promise<Examination> {
  const file = join(haproxy.dir, 'trial.yaml');
  const balancers = [{ haproxy: haproxy.socket, servers: ['app/app1'] }];
  const places = { state: join(haproxy.dir, 'x.json'), listen: { control: join(haproxy.dir, 'none.sock') } };
  await writeFile(file, JSON.stringify({ node: 'app1', balancers, ...places, ...more }));
  const loaded = await readConfig(file, { env: {}, hostname: 'here', isTerminal: false, supervised: false });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return readExamination({ config: loaded.config, isDirect: false, haproxyFile: null, env: {} }, WORLD);
}

let early: AbortController;
let left: LiveRequest['onBegun'];
beforeEach(() => {
  early = new AbortController();
  left = () => undefined;
});

function interrupt(): void {
  early.abort(new LastcallError('interrupted', 'it was interrupted'));
}

function tried(): Promise<LiveProof> {
  const live: LiveRequest = {
    url: 'http://127.0.0.1:1/',
    signal: early.signal,
    last: new AbortController().signal,
    onBegun: (servers) => left(servers),
  };
  return drainOnTrial(real, live, WORLD);
}

async function admin(): Promise<string | undefined> {
  const states = await haproxy.command('show servers state app');
  return states
    .split('\n')
    .find((line) => line.includes(' app1 '))
    ?.split(' ')[6];
}

describe('An interrupt', () => {
  test('before the drain is asked for: nothing is begun', async () => {
    let begun = false;
    left = () => (begun = true);
    interrupt();
    const proof = await tried();
    expect(proof).toEqual({ result: 'unproven', seen: ['it was interrupted: no drain was tried'] });
    expect({ begun, admin: await admin() }).toEqual({ begun: false, admin: '0' });
  });

  test('while admission still looks: the drain that begins after it is cancelled', async () => {
    left = interrupt;
    const { seen } = await tried();
    expect(seen).toEqual(['it was interrupted', 'what was found is back']);
    expect(await admin()).toBe('0');
  });
});

test('A dry run of doctor adopts no MAINT that it finds, whatever the sidecar is to do', async () => {
  await haproxy.command('set server app/app1 state maint');
  const { trial } = await examination({ adopt: true });
  await haproxy.command('set server app/app1 state ready');
  expect(trial.ok && trial.value.map(({ code }) => code)).toContain('held');
});

describe('A trial is not begun', () => {
  const why = (sidecar: Readout<{ readonly phase: Phase }>): string =>
    whyNoTrial({ ...real, sidecar })?.seen.join() ?? 'it is begun';

  test.each(['draining', 'stopped', 'returning', 'failed', 'recovering'] as const)(
    'where the sidecar is at work: %s',
    (phase) => {
      expect(why(readout({ phase }))).toBe(
        `the sidecar is at work on this node (phase ${phase}): no drain was tried`,
      );
    },
  );

  test('where it is not known whether a sidecar is', () => {
    expect(why({ ok: false, why: 'no answer in time', code: 'agent-unreachable' })).toContain('is not known');
  });

  test('and is, where no sidecar runs, or serves', () => {
    expect(real.sidecar).toMatchObject({ ok: false, code: NO_SIDECAR });
    const both = [
      real.sidecar,
      readout({ phase: 'serving' as const }),
      readout({ phase: 'unhealthy' as const }),
    ];
    expect(both.map(why)).toEqual(['it is begun', 'it is begun', 'it is begun']);
  });
});
