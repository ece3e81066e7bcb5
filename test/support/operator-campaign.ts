import fc from 'fast-check';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result } from '../../agent/lifecycle/model/api.ts';
import { findOverrides, type OverrideVerdict } from './overrides.ts';
import { freePort } from './ports.ts';
import { startRecorder } from './recorder.ts';
import { openRig, patience, type Agent, type Rig } from './rig.ts';
import { makeMemoryDir } from './tempdir.ts';
import { until } from './until.ts';
import { wishOnDisk } from './state-file.ts';

/** What became of a sidecar among operators who type whatever they like. */
export interface OperatorReport extends OverrideVerdict {
  readonly seed: number;
  readonly commands: number;
  /** Operations that were accepted, and how each ended. */
  readonly operations: number;
  readonly codes: Readonly<Record<string, number>>;
  /** SIGTERMs that the application had. */
  readonly terms: number;
  /** Runtime weight at the end, and the one that an operator set last. */
  readonly weight: { readonly is: string; readonly set: string };
}

const SERVER = 'app/app1';
const WEIGHTS = ['0', '0%', '1', '50%', '100%', '100'];
const COMMANDS = [
  ...['ready', 'drain', 'maint'].map((admin) => `set server ${SERVER} state ${admin}`),
  ...WEIGHTS.map((weight) => `set weight ${SERVER} ${weight}`),
  ...['enable server', 'disable server', 'disable agent', 'enable agent'].map((word) => `${word} ${SERVER}`),
  'clear counters',
  'clear counters all',
];

type OperatorDeed =
  | { readonly do: 'type'; readonly line: string }
  | { readonly do: 'submit'; readonly verb: 'drain' | 'ready' }
  | { readonly do: 'visit' };
interface Step {
  readonly deed: OperatorDeed;
  readonly pauseMs: number;
}

const type = fc.constantFrom(...COMMANDS).map((line): OperatorDeed => ({ do: 'type', line }));
// An operator who lets go is as common as one who takes hold: else everything is held nearly all the time.
const letGo = fc
  .constantFrom(`set server ${SERVER} state ready`, `set weight ${SERVER} 100%`)
  .map((line): OperatorDeed => ({ do: 'type', line }));
const submit = fc.constantFrom('drain', 'ready').map((verb): OperatorDeed => ({ do: 'submit', verb }));
const visit = fc.constant<OperatorDeed>({ do: 'visit' });
const step: fc.Arbitrary<Step> = fc.record({
  deed: fc.oneof(
    { arbitrary: type, weight: 6 },
    { arbitrary: letGo, weight: 4 },
    { arbitrary: submit, weight: 3 },
    { arbitrary: visit, weight: 1 },
  ),
  pauseMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 })),
});

/** As many random steps as hold `commands` lines of operators. */
function stepsOf(seed: number, commands: number): Step[] {
  const steps = fc.sample(step, { seed, numRuns: commands * 2 });
  let typed = 0;
  return steps.filter(({ deed }) => typed < commands && (deed.do !== 'type' || ++typed <= commands));
}

/**
 * Random operators at HAProxy's socket, against a running sidecar that drains and readies at random. All of it
 * passes one recorder, whose log is the proof.
 */
export async function runOperators(seed: number, commands: number): Promise<OperatorReport> {
  const agentPort = await freePort();
  const agentCheck = `agent-check agent-port ${agentPort} agent-inter 100ms`;
  const rig = await openRig({ termMs: 0, server: `check inter 200ms weight 100 ${agentCheck}` });
  // With operators as quick as these, a sidecar that waits for a slow disk never gets to say a word.
  const memory = await makeMemoryDir();
  const state = join(memory.path, 'app1.json');
  const recorder = await startRecorder(rig.haproxy.socket, join(rig.dir, 'rec.sock'), () =>
    wishOnDisk(state, SERVER),
  );
  try {
    const sections = {
      state,
      balancers: [{ haproxy: recorder.socket, servers: [SERVER] }],
      listen: {
        agentCheck: { address: `127.0.0.1:${agentPort}`, allow: ['127.0.0.1/32'] },
        control: join(rig.dir, 'app1.sock'),
      },
    };
    const agent = await rig.sidecar({ quiet: '100ms', timeout: '3s', sections });
    await agent.reaches('serving');
    const doing = createHands(rig, agent, (line) => recorder.operate(line));
    await doing.begin();
    const steps = stepsOf(seed, commands);
    for (const { deed, pauseMs } of steps) {
      await doing.carryOut(deed);
      await sleep(pauseMs);
    }
    const weight = await rig.haproxy.command(`get weight ${SERVER}`);
    const results = await doing.settle();
    const codes: Record<string, number> = {};
    for (const { code } of results) codes[code] = (codes[code] ?? 0) + 1;
    const typed = steps.flatMap(({ deed }) => (deed.do === 'type' ? [deed.line] : []));
    const set = typed.findLast((line) => line.startsWith('set weight'))?.split(' ')[3] ?? '100%';
    return {
      ...findOverrides(recorder.exchanges, SERVER),
      seed,
      commands: typed.length,
      operations: results.length,
      codes,
      terms: await rig.terms(),
      weight: { is: weight.trim(), set },
    };
  } finally {
    await rig.close();
    await recorder.close();
    await memory.remove();
  }
}

/** The actors of the campaign: operators, callers of lastcall, and a user who comes and goes. */
function createHands(rig: Rig, agent: Agent, operate: (line: string) => Promise<string>) {
  const ids = new Set<string>();
  const refused: Result[] = [];
  const submitting = new Set<Promise<void>>();
  let cookie: string | null = null;
  /** As they come: the sidecar keeps only the last few hundred. */
  const ended = new Map<string, Result>();
  const listening = new AbortController();

  const listen = async (began: () => void): Promise<void> => {
    for await (const { event, data } of agent.client.events(listening.signal)) {
      // The stream begins with a status.
      if (event === 'status') began();
      else ended.set(data.id, data);
    }
  };
  const submitOne = async (operation: 'drain' | 'ready'): Promise<void> => {
    const answer = await agent.client.submit({ operation }, patience());
    if (answer.accepted) ids.add(answer.id);
    else refused.push(answer.result);
  };
  const leave = async (): Promise<void> => {
    if (cookie !== null) await (await fetch(`${rig.node.url}/logout`, { headers: { cookie } })).text();
    cookie = null;
  };
  /** Straight at the application: whether HAProxy lets a user in is not the question here. */
  const signIn = async (): Promise<void> => {
    const page = await fetch(rig.node.url);
    await page.text();
    cookie = page.headers.get('set-cookie')?.split(';')[0] ?? null;
  };
  return {
    /** Resolves once no end of an operation can be missed. */
    begin: () =>
      new Promise<void>((resolve, reject) => {
        listen(resolve).catch((error: unknown) => {
          if (!listening.signal.aborted) reject(error as Error);
        });
      }),
    async carryOut(deed: OperatorDeed): Promise<void> {
      if (deed.do === 'type') {
        const answer = await operate(deed.line);
        if (answer.trim() !== '') throw new Error(`${deed.line}: ${answer}`);
      } else if (deed.do === 'visit') {
        await (cookie === null ? signIn() : leave());
      } else {
        const submission = submitOne(deed.verb).finally(() => submitting.delete(submission));
        submitting.add(submission);
      }
    },
    /** All holds end; each operation has an end, and the node comes back. */
    async settle(): Promise<readonly Result[]> {
      await leave();
      await Promise.all(submitting);
      await until('each operation has ended', () => [...ids].every((id) => ended.has(id)));
      listening.abort();
      const results = [...ids].flatMap((id) => ended.get(id) ?? []);
      await operate(`set server ${SERVER} state ready`);
      await operate(`set weight ${SERVER} 100%`);
      await operate(`enable agent ${SERVER}`);
      await until('the last ready is done', async () => {
        const answer = await agent.client.submit({ operation: 'ready' }, patience());
        if (answer.accepted) await agent.ends(answer.id);
        const { phase } = await agent.client.status(patience());
        return phase === 'serving';
      });
      return [...results, ...refused];
    },
  };
}
