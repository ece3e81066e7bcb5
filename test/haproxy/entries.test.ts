import { afterEach, describe, expect, test } from '@jest/globals';
import { countEntries, type Entries } from '../../agent/haproxy/entries.ts';
import { wasTaught } from '../../agent/haproxy/peers.ts';
import { showPeers } from '../../agent/haproxy/command.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { frontAt } from '../support/front.ts';
import { realClock } from '../../agent/system/clock.ts';
import { never, refusalOf } from '../support/outcome.ts';

const INFO = 'Name: HAProxy\nVersion: 2.6.12\nPid: 7\nUptime_sec: 61\nStopping: 0\n\n';
const HEADER = '# table: app, type: string, size:1024, used:3\n';
const entry = (key: string, exp: number): string =>
  `0x55e1cece3550: key=${key} use=0 exp=${exp} server_id=1 server_key=app1\n`;

/** What is read out of an answer that came line by line. */
function read(answer: string): Promise<Entries> {
  const search = { table: 'app', serverId: 1 };
  return countEntries(
    { target: '/x' },
    (_command, onLine) => {
      for (const line of answer.split('\n').slice(0, -1)) onLine(line);
      return Promise.resolve();
    },
    search,
  );
}
const refusalTo = (answer: string) => refusalOf(() => read(answer));

describe('the entries of a server', () => {
  test('are the lines of the table, whatever the header says; the worker comes with them', async () => {
    expect(await read(`${INFO}${HEADER}${entry('a', 20)}${entry('b', 1_799_994)}${entry('c', 5)}\n`)).toEqual(
      {
        info: { pid: 7, version: '2.6.12', uptimeSeconds: 61 },
        count: 3,
        longestMs: 1_799_994,
      },
    );
    expect(await read(`${INFO}${HEADER}\n`)).toMatchObject({ count: 0, longestMs: 0 });
  });

  test.each([
    ['an empty answer', ''],
    ['only the worker', INFO],
    ['no end', `${INFO}${HEADER}${entry('a', 1)}`],
    ['another table', `${INFO}${HEADER.replace('app', 'shop')}\n`],
    ['a line that is no entry', `${INFO}${HEADER}SECRET\n\n`],
    ['an answer too many', `${INFO}${HEADER}${entry('SECRET', 1)}\n${entry('SECRET', 1)}\n`],
    ['no worker', `\n${HEADER}\n`],
  ])('are unknown after %s, and nobody is told a key', async (_what, answer) => {
    const { code, message } = await refusalTo(answer);
    expect(code).toBe('balancer-unreachable');
    expect(message).not.toContain('SECRET');
  });

  test('are unknown from a worker that is stopping', async () => {
    const { message } = await refusalTo(`${INFO.replace('Stopping: 0', 'Stopping: 1')}${HEADER}\n`);
    expect(message).toContain('an old worker (pid 7)');
  });

  test.each([
    ['No such table\n\n', 'failed', 'has no stick table app'],
    ['[3]: No such table\n\n', 'failed', 'has no stick table app'],
    ['Filter entry #1: Data type not stored in this table\n\n', 'failed', 'knows no servers'],
    ['Permission denied\n\n', 'not-permitted', 'Permission denied'],
    [`${HEADER}# contents not dumped due to insufficient privileges\n\n`, 'not-permitted', 'does not show'],
  ])('are unknown when HAProxy says %j', async (answer, code, text) => {
    const refusal = await refusalTo(INFO + answer);
    expect(refusal).toMatchObject({ code, message: expect.stringContaining(text) });
    expect(refusal.next).not.toBe('');
  });

  describe('of a real HAProxy', () => {
    let haproxy: Haproxy | undefined;
    afterEach(() => haproxy?.stop());

    test('are counted whatever their keys look like', async () => {
      haproxy = await startHaproxy(
        'defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n' +
          'backend app\n  stick-table type string len 64 size 1k expire 1m\n  stick on req.cook(S)\n' +
          '  server app1 127.0.0.1:1\n',
      );
      for (const key of ['a\\ exp=99999999999', '0x55:', '#', 'é', '"', "'", 'server_id=9']) {
        expect(await haproxy.command(`set table app key ${key} data.server_id 1`)).toBe('\n');
      }
      const { client } = frontAt(haproxy.socket, realClock);
      const entries = await countEntries(
        client,
        (command, onLine) => client.stream(command, onLine, 5_000, never),
        { table: 'app', serverId: 1 },
      );
      expect(entries.count).toBe(7);
      expect(entries.longestMs).toBeLessThanOrEqual(60_000);
    });
  });
});

describe('a table handed on by peers', () => {
  const section = (id: string, flags: string, ...tables: string[]): string =>
    `0x55e1ceaf6d00: [23/Nov/2026:09:02:48] id=${id} disabled=0 flags=${flags} resync_timeout=4s task_calls=4\n` +
    '  0x55e1ceaf8dc0: id=me(local,inactive) addr=127.0.0.1:29911 last_status=NONE last_hdshk=<NEVER>\n' +
    '        flags=0x0\n        shared tables:\n' +
    tables.map((table) => `              table:0x55e1ceafd8b0 id=${table} update=3\n`).join('');
  const taught = (text: string, version = '2.6.12'): boolean =>
    wasTaught({ text, command: showPeers(), target: '/x', elapsedMs: 0 }, 'app', {
      pid: 1,
      version,
      uptimeSeconds: 1,
    });

  test.each([
    // As 2.6.12 showed it after a reload: by the worker before it; by nobody; nobody yet.
    [section('us', '0x1103', 'app'), '2.6.12', true],
    [section('us', '0x33', 'app'), '2.6.12', false],
    [section('us', '0x11', 'app'), '2.6.12', false],
    [section('us', '0x1103', 'shop'), '2.6.12', false],
    [section('us', '0x1103', 'shop', 'app'), '2.6.12', true],
    [section('us', '0x1103', 'shop') + section('them', '0x33', 'app'), '2.6.12', false],
    [section('us', '0x33', 'shop') + section('them', '0x1103', 'app'), '2.6.12', true],
    // From 3.0 on the flag is another one (include/haproxy/peers-t.h).
    [section('us', '0x1103', 'app'), '3.2.1', false],
    [section('us', '0x1000003', 'app'), '3.2.1', true],
    ['\n', '2.6.12', false],
  ])('is told by the flags of its section: %#', (text, version, expected) => {
    expect(taught(text, version)).toBe(expected);
  });

  test('is not read from an answer that was cut', () => {
    expect(() => taught(section('us', '0x1103', 'app').slice(0, -1))).toThrow('cannot be read');
  });
});
