import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { runCli } from '../../../agent/cli/program.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { createScriptedService } from '../../support/scripted-service.ts';
import { makeTempDir, type TempDir } from '../../support/tempdir.ts';

/** A terminal's title, its cursor, C1, a direction, a line end of Unicode, a tag, a soft hyphen, and a line of its own. */
const HOSTILE = '\u001b]0;x\u0007\u001b[2J\u009b31m\u202e\u2028\u{e0041}\u00ad\u007f\nlastcall: ok';
const OBEYED = /[\p{Cc}\p{Cf}\u2028\u2029]/u;

let dir: TempDir;
let server: Server;
/** Answers any call. */
let answer: (method: string, path: string) => readonly [status: number, body: unknown];
beforeEach(async () => {
  dir = await makeTempDir();
  server = createServer(({ method = '', url = '' }, response) => {
    const [status, body] = answer(method, url);
    const isStream = url === '/v1/events' && status === 200;
    response.writeHead(status).end(isStream ? String(body) : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(join(dir.path, 's'), resolve));
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await dir.remove();
});

/** The same value, each of its texts with something behind it; `kept` are texts on which our own logic stands. */
function hostile(value: unknown, kept: readonly string[] = ['phase']): unknown {
  if (typeof value === 'string') return value + HOSTILE;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => hostile(item, kept));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, kept.includes(key) ? item : hostile(item, kept)]),
  );
}

async function written(
  argv: readonly string[],
  isTTY: boolean,
): Promise<{ readonly out: string; readonly err: string }> {
  const text = { out: '', err: '' };
  await runCli({
    argv: ['--socket', join(dir.path, 's'), ...argv],
    env: {},
    stdout: { write: (piece) => (text.out += piece), isTTY },
    stderr: { write: (piece) => (text.err += piece) },
    signals: { on: () => undefined, off: () => undefined },
    clock: realClock,
    by: () => 'cli test@here',
    hostname: () => 'here',
    version: () => '1.2.3',
    run: () => Promise.reject(new Error('no')),
    direct: () => Promise.reject(new Error('no')),
    loadSubstitute: () => Promise.reject(new Error('no')),
    doctor: () => Promise.reject(new Error('no')),
  });
  return text;
}

/** Without what this program itself writes to a terminal: colours, the cursor, the ends of its lines. */
const OURS = new RegExp(`${String.fromCharCode(27)}\\[(?:[0-9;]*m|H|J|K|2K)|[\\r\\n]`, 'g');
const foreignIn = (text: string): string => text.replaceAll(OURS, '');

const STATUS = createScriptedService().status();
const SAID = {
  ...STATUS,
  phase: 'draining',
  healthReason: 'why',
  alarms: ['alarm'],
  operation: {
    id: 'x',
    operation: 'drain',
    by: 'who',
    reason: 'why',
    seconds: 1,
    remaining: 2,
    onTimeout: 'restore',
  },
  balancers: [
    {
      name: 'lb1',
      reachable: true,
      error: null,
      waitsFor: [{ poller: 'p', silentSince: '2026-01-01T00:00:00Z' }],
      servers: [],
    },
    { name: 'lb2', reachable: false, error: 'why', waitsFor: [], servers: [] },
    {
      name: 'lb3',
      reachable: true,
      error: null,
      waitsFor: [],
      servers: [
        {
          name: 'app/app1',
          admin: 'ready',
          operational: 'up',
          owner: 'none',
          applied: null,
          found: null,
          connections: 1,
          queued: 0,
          neighbours: { at: '2026-01-01T00:00:00Z', missing: ['app/app2'], usable: 1 },
        },
      ],
    },
  ],
  sessions: { total: null, sources: [{ name: 'http', count: null, at: null, every: 10, error: 'why' }] },
  etaReason: 'why',
};
const RESULT = {
  ...STATUS,
  ok: false,
  code: 'guard',
  id: 'x',
  operation: 'drain',
  message: 'no',
  seconds: 1,
  reason: 'r',
  forced: 0,
  sessions: { start: null, last: null, sources: [] },
  receipt: {},
  warnings: ['beware'],
  joined: [{ id: 'y', by: 'who', reason: 'why', terms: { timeout: 3 } }],
  plan: ['a step'],
};
const stream = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

describe('What a false sidecar says moves no terminal', () => {
  const sayings: readonly [string, typeof answer][] = [
    [
      'a status',
      (_method, path) =>
        path === '/v1/events' ? [200, stream('status', hostile(SAID))] : [200, hostile(SAID)],
    ],
    ['a status of another shape', () => [200, hostile(SAID, [])]],
    [
      'a refusal',
      (method) => (method === 'POST' ? [409, hostile(RESULT)] : [200, stream('status', hostile(SAID))]),
    ],
    [
      'a result',
      (method) =>
        method === 'POST'
          ? [202, { id: `x${HOSTILE}`, joined: false }]
          : [
              200,
              stream('status', hostile(SAID)) +
                stream('result', hostile(RESULT, ['phase', 'code', 'operation'])),
            ],
    ],
    ['an error', () => [418, { code: `usage`, message: HOSTILE }]],
    ['an error of no code', () => [500, hostile({ code: 'x', message: 'y' })]],
    ['nothing of the kind', () => [200, HOSTILE]],
    ['a list', () => [200, [HOSTILE]]],
  ];
  const verbs = [
    ['status'],
    ['status', '--watch'],
    ['drain', '--no-wait'],
    ['drain'],
    ['drain', '--no-refuse', '--timeout', '1s'],
    ['stop', '--json'],
    ['ready', '--quiet'],
  ];
  for (const [what, saying] of sayings)
    for (const verb of verbs)
      test.each([true, false])(`${what}, to lastcall ${verb.join(' ')} (terminal: %s)`, async (isTTY) => {
        answer = saying;
        const { out, err } = await written(verb, isTTY);
        expect(foreignIn(err)).not.toMatch(OBEYED);
        expect(err).not.toMatch(/^lastcall: ok/m);
        if (verb.includes('--json')) return;
        expect(foreignIn(out)).not.toMatch(OBEYED);
        expect(out).not.toMatch(/^lastcall: ok/m);
        expect(out).not.toContain('\u001b[2J');
      });

  test('but for `--json`, which is for programs and escapes as JSON does', async () => {
    answer = () => [200, hostile(SAID)];
    const { out } = await written(['status', '--json'], true);
    expect(JSON.parse(out)).toMatchObject(JSON.parse(JSON.stringify(hostile(SAID))));
  });
});

test('the text of a hostile file name is no exception', async () => {
  const { out, err } = await written(['check', '-c', `/no/${HOSTILE}`], true);
  expect(err).toContain('does not exist');
  expect(foreignIn(out + err)).not.toMatch(OBEYED);
});
