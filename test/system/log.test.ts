import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { LastcallError } from '../../agent/system/error.ts';
import { createLog, type LogOptions, type WrittenLog } from '../../agent/system/log.ts';
import { ManualClock } from '../support/manual-clock.ts';

const clock = new ManualClock();
// Of C1 JSON escapes nothing, and no reader of JSON minds.
const CONTROL = new RegExp(`[${String.fromCharCode(0)}-${String.fromCharCode(31)}]`);

/** What the log wrote while `say` ran. */
async function written(options: Partial<LogOptions>, say: (log: WrittenLog) => void): Promise<string> {
  const destination = new PassThrough({ highWaterMark: 1_000_000 });
  const log = createLog(
    { level: 'debug', format: 'json', journal: false, ...options },
    { clock, destination },
  );
  say(log);
  await log.flush();
  destination.end();
  return text(destination);
}

describe('The log', () => {
  test('writes one JSON object a line, with ISO time, level, message and fields', async () => {
    const out = await written({}, (log) => {
      log.info('draining', { server: 'app/app1', connections: 3 });
      log.error('no answer');
    });
    const [first, second, rest] = out.split('\n');
    expect(JSON.parse(first ?? '')).toEqual({
      time: '2026-01-01T00:00:00.000Z',
      level: 'info',
      message: 'draining',
      server: 'app/app1',
      connections: 3,
    });
    expect(JSON.parse(second ?? '')).toMatchObject({ level: 'error', message: 'no answer' });
    expect(rest).toBe('');
  });

  test('writes text with key=value on request', async () => {
    const out = await written({ format: 'text' }, (log) =>
      log.warn('drain late', { server: 'app/app1', why: 'two words', n: 1 }),
    );
    expect(out).toBe('2026-01-01T00:00:00.000Z warn  drain late server=app/app1 why="two words" n=1\n');
  });

  test('leaves out what is below its level', async () => {
    const out = await written({ level: 'warn' }, (log) => {
      log.debug('a');
      log.info('b');
      log.warn('c');
      log.error('d');
    });
    expect(out.match(/"message":"."/g)).toEqual(['"message":"c"', '"message":"d"']);
  });

  test('begins each line with its syslog priority under the journal', async () => {
    const out = await written({ journal: true, format: 'text' }, (log) => {
      log.error('a');
      log.warn('b');
      log.info('c');
      log.debug('d');
    });
    expect(out.match(/^<\d>/gm)).toEqual(['<3>', '<4>', '<6>', '<7>']);
  });

  test('shows no secret, however deep, and no user in a URL', async () => {
    const secret = 'canary-4711';
    const fields = {
      password: secret,
      headers: [{ Authorization: `Bearer ${secret}`, 'Set-Cookie': secret }],
      app: { apiKey: secret, accessToken: secret, url: `http://user:${secret}@app/` },
      error: Object.assign(new Error(`GET http://u:${secret}@h/ failed`), { clientSecret: secret }),
      open: 'seen',
    };
    for (const format of ['json', 'text'] as const) {
      const out = await written({ format }, (log) => log.info(`asking https://me:${secret}@host/x`, fields));
      expect(out).not.toContain(secret);
      expect(out).toContain('seen');
      expect(out).toContain('[redacted]@host/x');
    }
  });

  test('tells an error with its code, its target and its cause', async () => {
    const error = new LastcallError('state-write', 'disk full', { target: '/x', cause: new Error('ENOSPC') });
    const out = await written({}, (log) => log.error('cannot save', { error }));
    expect(JSON.parse(out)).toMatchObject({
      error: { code: 'state-write', message: 'disk full', target: '/x', cause: { message: 'ENOSPC' } },
    });
  });

  test('takes a value that contains itself, and one that JSON does not know', async () => {
    const ring: Record<string, unknown> = {
      n: 10n,
      when: new Date(Number.NaN),
      nan: Number.NaN,
      call: () => 1,
    };
    ring['ring'] = ring;
    expect(JSON.parse(await written({}, (log) => log.info('ring', ring)))).toMatchObject({
      n: '10',
      nan: 'NaN',
    });
  });

  test('cannot be made to write a second line, a terminal escape or another level, in any format', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary' }),
        fc.dictionary(fc.constantFrom('level', 'time', 'message', 'a\nb', '__proto__', 'x'), fc.anything()),
        fc.constantFrom('json' as const, 'text' as const),
        async (message, fields, format) => {
          const out = await written({ format }, (log) => log.info(message, fields));
          expect(out.slice(0, -1)).not.toMatch(CONTROL);
          expect(out.endsWith('\n')).toBe(true);
          if (format === 'json') expect(JSON.parse(out)).toMatchObject({ level: 'info' });
        },
      ),
      { numRuns: 300 },
    );
  });

  test('has lost nothing on a slow pipe once it is flushed', async () => {
    const program = fileURLToPath(new URL('../../dist/test/fixtures/log-writer.js', import.meta.url));
    const child = spawn(process.execPath, [program, '5000'], { stdio: ['ignore', 'ignore', 'pipe'] });
    const exit = once(child, 'exit');
    const lines = (await text(child.stderr)).trimEnd().split('\n');
    expect(await exit).toEqual([0, null]);
    expect(lines).toHaveLength(5000);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ n: 4999 });
  });

  test('goes on when its reader goes away', async () => {
    const program = fileURLToPath(new URL('../../dist/test/fixtures/log-writer.js', import.meta.url));
    const child = spawn(process.execPath, [program, '5000'], { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.destroy();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});
