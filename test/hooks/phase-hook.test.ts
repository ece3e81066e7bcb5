import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { PhaseHookConfig } from '../../agent/config/hooks-config.ts';
import {
  createPhaseHook,
  MOST_WAITING,
  type HookOutcome,
  type PhaseChange,
} from '../../agent/hooks/phase-hook.ts';
import { realClock } from '../../agent/system/clock.ts';
import { inspectProcess, isRunning } from '../../agent/system/process.ts';
import { LastcallError, messageOf } from '../../agent/system/error.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const env = { PATH: process.env['PATH'] };
const NEVER = new AbortController().signal;
let dir: TempDir;
const over: (() => void)[] = [];
beforeEach(async () => (dir = await makeTempDir()));
afterEach(async () => {
  for (const end of over.splice(0)) end();
  await dir.remove();
});

const CHANGE: PhaseChange = {
  phase: 'drained',
  previous: 'fencing',
  at: '2026-01-01T00:00:00.000Z',
  operation: { id: 'op1', operation: 'drain', by: 'cli alice@host', reason: 'deploy "41"; $(rm -rf /)' },
  sessions: 0,
  code: Promise.resolve('done'),
};
const PLAIN: PhaseChange = { ...CHANGE, operation: null, sessions: null, code: Promise.resolve(null) };

type Told = readonly [outcome: HookOutcome, phase: string, error: string];

/** A hook, and what became of its calls. */
function hookOf(config: Partial<PhaseHookConfig> & Pick<PhaseHookConfig, 'kind'>) {
  const outcomes: Told[] = [];
  const full = { on: ['drained', 'serving'], timeoutMs: 10_000, ...config } as PhaseHookConfig;
  const hook = createPhaseHook(full, {
    clock: realClock,
    env,
    node: 'app1',
    onOutcome: (outcome, { phase }, error) =>
      outcomes.push([outcome, phase, error === null ? '' : messageOf(error)]),
  });
  return { hook, outcomes };
}

const shell = (script: string) => ({ kind: 'command', command: ['sh', '-c', script] }) as const;

/** A server that keeps what it is sent, and answers with `status`, or never. */
async function webhook(status: number | 'never') {
  const heard: { body: unknown; headers: IncomingHttpHeaders }[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      heard.push({ body: JSON.parse(body) as unknown, headers: request.headers });
      if (status !== 'never') response.writeHead(status).end();
    });
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  over.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    heard,
    host: `127.0.0.1:${port}`,
    config: { kind: 'webhook', url: `http://127.0.0.1:${port}/T0KEN` } as const,
  };
}

describe('A command', () => {
  test('gets its own phases only, in its environment, and no shell of ours sees any of it', async () => {
    const file = join(dir.path, 'told');
    const { hook, outcomes } = hookOf(
      shell(`env | grep ^LASTCALL_ | grep -v TEST_RUN | sort >> ${file}; echo >> ${file}`),
    );
    hook.tell({ ...CHANGE, phase: 'settling' });
    hook.tell(CHANGE);
    hook.tell({ ...PLAIN, phase: 'serving', previous: null });
    await hook.ended(NEVER);
    expect(outcomes).toEqual([
      ['done', 'drained', ''],
      ['done', 'serving', ''],
    ]);
    const [first = '', second = ''] = (await readFile(file, 'utf8')).split('\n\n');
    expect(first.split('\n')).toEqual([
      'LASTCALL_AT=2026-01-01T00:00:00.000Z',
      'LASTCALL_BY=cli alice@host',
      'LASTCALL_CODE=done',
      'LASTCALL_DROPPED=0',
      'LASTCALL_ID=op1',
      'LASTCALL_NODE=app1',
      'LASTCALL_OPERATION=drain',
      'LASTCALL_PHASE=drained',
      'LASTCALL_PREVIOUS=fencing',
      'LASTCALL_REASON=deploy "41"; $(rm -rf /)',
      'LASTCALL_SESSIONS=0',
    ]);
    expect(second.split('\n')).toEqual(
      expect.arrayContaining([
        'LASTCALL_CODE=',
        'LASTCALL_ID=',
        'LASTCALL_SESSIONS=unknown',
        'LASTCALL_PREVIOUS=',
      ]),
    );
  });

  test('that fails, or does not end in time, is reported without its arguments, and the next call comes', async () => {
    const { hook, outcomes } = hookOf({ ...shell('echo no route >&2; exit 3 # s3cret') });
    hook.tell(CHANGE);
    await hook.ended(NEVER);
    expect(outcomes).toEqual([['failed', 'drained', '`sh` failed: exit code 3: no route']]);
    const slow = hookOf({ ...shell('sleep 60 # s3cret'), timeoutMs: 100 });
    slow.hook.tell(CHANGE);
    await slow.hook.ended(NEVER);
    expect(slow.outcomes).toEqual([
      ['failed', 'drained', expect.stringMatching(/^`sh` failed: did not end within/)],
    ]);
    const missing = hookOf({ kind: 'command', command: ['/no/such/program'] } as const);
    missing.hook.tell(CHANGE);
    missing.hook.tell(CHANGE);
    await missing.hook.ended(NEVER);
    expect(missing.outcomes.map(([outcome]) => outcome)).toEqual(['failed', 'failed']);
  });

  test('that forks away is over when it has ended, and its group ends with it', async () => {
    const pid = join(dir.path, 'pid');
    const { hook, outcomes } = hookOf(shell(`sleep 300 & echo $! > ${pid}`));
    hook.tell(CHANGE);
    await hook.ended(NEVER);
    expect(outcomes).toEqual([['done', 'drained', '']]);
    const left = inspectProcess(Number(await readFile(pid, 'utf8')));
    // A zombie where nothing reaps it.
    expect(typeof left === 'string' ? left : isRunning(left)).not.toBe(true);
  });

  test('that is slow has a bounded queue: the newest stay, and the next call knows how many it missed', async () => {
    const file = join(dir.path, 'told');
    const gate = join(dir.path, 'gate');
    const script = `while ! test -e ${gate}; do sleep 0.02; done; echo "$LASTCALL_AT $LASTCALL_DROPPED" >> ${file}`;
    const { hook, outcomes } = hookOf(shell(script));
    hook.tell({ ...CHANGE, at: 'first' });
    for (let index = 0; index < 10_000; index += 1) hook.tell({ ...CHANGE, at: String(index) });
    await until('the first one runs', async () => outcomes.length === 10_000 - MOST_WAITING);
    await writeFile(gate, '');
    await hook.ended(NEVER);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(1 + MOST_WAITING);
    expect(lines.slice(0, 3)).toEqual([
      'first 0',
      `${10_000 - MOST_WAITING} ${10_000 - MOST_WAITING}`,
      `${10_000 - MOST_WAITING + 1} 0`,
    ]);
    expect(lines.at(-1)).toBe('9999 0');
  });

  test('is ended when the sidecar ends, and what waits is not called', async () => {
    const { hook, outcomes } = hookOf(shell('sleep 300'));
    for (let index = 0; index < 3; index += 1) hook.tell(CHANGE);
    const ending = new AbortController();
    const ended = hook.ended(ending.signal);
    ending.abort(new LastcallError('interrupted', 'lastcall is ending'));
    await ended;
    hook.tell(CHANGE);
    expect(outcomes.map(([outcome]) => outcome)).toEqual(['failed', 'dropped', 'dropped', 'dropped']);
    expect(outcomes[0]?.[2]).toBe('lastcall is ending');
  });
});

describe('A webhook', () => {
  test('gets JSON, with a text that chats show', async () => {
    const { heard, config } = await webhook(204);
    const { hook, outcomes } = hookOf(config);
    hook.tell(CHANGE);
    hook.tell(PLAIN);
    await hook.ended(NEVER);
    expect(outcomes.map(([outcome]) => outcome)).toEqual(['done', 'done']);
    expect(heard[0]?.headers['content-type']).toMatch(/^application\/json/);
    expect(heard.map(({ body }) => body)).toEqual([
      {
        text: 'app1: fencing -> drained (drain by cli alice@host, deploy "41"; $(rm -rf /): done)',
        node: 'app1',
        phase: 'drained',
        previous: 'fencing',
        at: '2026-01-01T00:00:00.000Z',
        id: 'op1',
        operation: 'drain',
        by: 'cli alice@host',
        reason: 'deploy "41"; $(rm -rf /)',
        sessions: 0,
        code: 'done',
        dropped: 0,
      },
      expect.objectContaining({
        text: 'app1: fencing -> drained',
        id: null,
        operation: null,
        sessions: null,
        code: null,
      }),
    ]);
  });

  test('that refuses, hangs or is not there is named by its host: its path is a secret', async () => {
    const refusing = await webhook(500);
    const hanging = await webhook('never');
    const away = { kind: 'webhook', url: `http://127.0.0.1:${await freePort()}/T0KEN` } as const;
    const said: string[] = [];
    for (const config of [refusing.config, { ...hanging.config, timeoutMs: 200 }, away]) {
      const { hook, outcomes } = hookOf(config);
      hook.tell(CHANGE);
      await hook.ended(NEVER);
      said.push(...outcomes.map(([outcome, , error]) => `${outcome} ${error}`));
    }
    expect(said).toEqual([
      `failed ${refusing.host} answered 500`,
      `failed ${hanging.host}: no whole answer within 200 ms`,
      expect.stringContaining('ECONNREFUSED'),
    ]);
    expect(said.join('\n')).not.toContain('T0KEN');
  });
});
