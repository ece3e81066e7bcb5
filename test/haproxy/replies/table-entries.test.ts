import { afterEach, describe, expect, test } from '@jest/globals';
import {
  countEntries,
  holdsEntryOf,
  type Entries,
  type EntryFilter,
  type TableConnection,
} from '../../../agent/haproxy/replies/table-entries.ts';
import { wasResynced } from '../../../agent/haproxy/replies/show-peers.ts';
import { showPeers } from '../../../agent/haproxy/command.ts';
import { startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import { targetAt } from '../../support/haproxy-target.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { never, refusalOf } from '../../support/outcome.ts';

const INFO = 'Name: HAProxy\nVersion: 2.6.12\nPid: 7\nUptime_sec: 61\nStopping: 0\n\n';
const HEADER = '# table: app, type: string, size:1024, used:3\n';
const entry = (key: string, exp: number): string =>
  `0x55e1cece3550: key=${key} use=0 exp=${exp} server_id=1 server_key=app1\n`;

const OURS: EntryFilter = {
  keys: ['app1', '10.0.0.1:80', '10.0.0.1:+80'],
  numbers: new Set([1]),
  keyless: new Set([1]),
  hidden: false,
};

/** An answer that comes in pieces of this size. */
function talkOf(answer: string, size = answer.length): TableConnection {
  const bytes = Buffer.from(answer, 'latin1');
  return {
    target: '/x',
    streamReply(_command, onChunk) {
      for (let from = 0; from < bytes.length; from += size) {
        if (onChunk(bytes.subarray(from, from + size))) break;
      }
      return Promise.resolve();
    },
  };
}

/** What is read out of an answer. */
const read = (answer: string, ours: Partial<EntryFilter> = {}, size?: number): Promise<Entries> =>
  countEntries(talkOf(answer, size), 'app', { ...OURS, ...ours });
const refusalTo = (answer: string) => refusalOf(() => read(answer));

describe('the entries of a server', () => {
  test('are the lines of the table, whatever the header says; the worker comes with them', async () => {
    expect(await read(`${INFO}${HEADER}${entry('a', 20)}${entry('b', 1_799_994)}${entry('c', 5)}\n`)).toEqual(
      {
        info: { pid: 7, version: '2.6.12', uptimeSeconds: 61 },
        total: 3,
        count: 3,
        keyless: 0,
        longestMs: 1_799_994,
        longestOfAllMs: 1_799_994,
        doubts: new Map(),
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
  ])('are unknown after %s, and no error shows a key', async (_what, answer) => {
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
    [`${HEADER}0x55: key=a use=0 exp=9 gpc0=1\n\n`, 'failed', 'stores no servers'],
    ['Permission denied\n\n', 'not-permitted', 'Permission denied'],
    [`${HEADER}# contents not dumped due to insufficient privileges\n\n`, 'not-permitted', 'does not show'],
  ])('are unknown when HAProxy says %j', async (answer, code, text) => {
    const refusal = await refusalTo(INFO + answer);
    expect(refusal).toMatchObject({ code, message: expect.stringContaining(text) });
    expect(refusal.next).not.toBe('');
  });

  test('are the same whatever the pieces that the answer comes in', async () => {
    const answer = `${INFO}${HEADER}${entry('a', 20)}${entry('b', 7)}\n`;
    const whole = await read(answer);
    for (let size = 1; size <= answer.length; size += 1) expect(await read(answer, {}, size)).toEqual(whole);
  });

  describe('are recognised', () => {
    const line = (data: string, key = 'k', exp = 9): string => `0x55: key=${key} use=0 exp=${exp} ${data}\n`;
    const counted = async (lines: string, ours: Partial<EntryFilter> = {}): Promise<number> =>
      (await read(`${INFO}${HEADER}${lines}\n`, ours)).count;

    test.each([
      ['by the name, whatever the number', line('server_id=2 server_key=app1'), 1],
      ['by the whole name', line('server_id=2 server_key=app11') + line('server_id=2 server_key=xapp1'), 0],
      ['by the address', line('server_id=2 server_key=10.0.0.1:80'), 1],
      ['by an address with an offset', line('shard=0 server_id=2 server_key=10.0.0.1:+80'), 1],
      [
        'by the number where there is no key',
        line('server_id=1 server_key=-') + line('server_id=2 server_key=-'),
        1,
      ],
      [
        'by the number where the table stores no key',
        line('server_id=1 gpc0=0') + line('server_id=2 gpc0=0'),
        1,
      ],
      ['beside other data', line('server_id=2 gpc0=0 server_key=app1 gpt0=3'), 1],
      ['not by what the user wrote', line('server_id=2 server_key=app2', 'x\\ server_key=app1\\ '), 0],
      ['not where nothing else is', line('server_id=2', 'x\\ server_key\\=app1'), 0],
      ['and not hidden by it', line('server_id=2 server_key=app1', 'x\\ server_key\\=app2\\\\'), 1],
    ])('%s', async (_what, lines, count) => {
      expect(await counted(lines)).toBe(count);
    });

    const whole = line('server_id=1 server_key=app1').trimEnd();
    test.each([
      ['a key that is not escaped', line('server_id=2 server_key=app2', 'x server_key=app1')],
      ['a line end that is lost', `${whole}${line('server_id=2 server_key=app2')}`],
      ['a datum that stands twice', line('server_id=1 server_key=app1 server_id=2')],
      ['a server twice', line('server_id=1 server_key=app1 server_key=app2')],
      ['a datum without a value', line('server_id=1 server_key=')],
      ['a number that is none', line('server_id=x server_key=-')],
      ['no time to live', whole.replace('exp=9', 'exp=') + '\n'],
      ['no key', whole.replace(' key=k', '') + '\n'],
      ['no end of the key', whole.replace(' use=0', '') + '\n'],
      ['a pointer that is none', `0x: ${line('server_id=1').slice(6)}`],
    ])('by nothing after %s', async (_what, lines) => {
      expect(await refusalTo(`${INFO}${HEADER}${lines}\n`)).toMatchObject({ code: 'balancer-unreachable' });
    });

    test('by nothing where the header is torn', async () => {
      for (const header of [
        '# table: app, \n',
        '# table: app, type: string, size:1024, used:3',
        HEADER.replace('used:3', 'used:'),
      ])
        expect(await refusalTo(`${INFO}${header}${whole}\n\n`)).toMatchObject({
          code: 'balancer-unreachable',
        });
    });

    test('later, where the number is ours and the key is not: no server may have that key', async () => {
      const lines = line('server_id=1 server_key=old', 'a', 5) + line('server_id=1 server_key=old', 'b', 8);
      const { count, doubts } = await read(`${INFO}${HEADER}${lines}${line('server_id=3 server_key=x')}\n`);
      expect({ count, doubts }).toEqual({ count: 0, doubts: new Map([['old', { count: 2, longestMs: 8 }]]) });
    });

    test('later for any other key, where our address is not shown', async () => {
      const { doubts } = await read(`${INFO}${HEADER}${line('server_id=3 server_key=/run/a.sock')}\n`, {
        hidden: true,
      });
      expect([...doubts.keys()]).toEqual(['/run/a.sock']);
    });

    test('at once, where more keys are in doubt than are remembered: too many is safe', async () => {
      const lines = Array.from({ length: 1_005 }, (_, n) => line(`server_id=1 server_key=n${n}`)).join('');
      expect(await counted(lines)).toBe(5);
    });
  });

  test('are waited for as long as ours live, and measured by those of others', async () => {
    const other = '0x1: key=z use=0 exp=77000 server_id=2 server_key=app2\n';
    const { longestMs, longestOfAllMs } = await read(`${INFO}${HEADER}${entry('a', 20)}${other}\n`);
    expect({ longestMs, longestOfAllMs }).toEqual({ longestMs: 20, longestOfAllMs: 77_000 });
  });

  test('are looked for no further than the first', async () => {
    let chunks = 0;
    const holds = (answer: string, keys: readonly string[]): Promise<boolean> => {
      const connection = talkOf(answer, 200);
      const streamReply: TableConnection['streamReply'] = (command, onChunk) =>
        connection.streamReply(command, (chunk) => {
          chunks += 1;
          return onChunk(chunk);
        });
      return holdsEntryOf({ ...connection, streamReply }, 'app', keys);
    };
    const many = `${INFO}${HEADER}${entry('a', 1).repeat(1_000)}\n`;
    expect(await holds(many, ['app9', 'app1'])).toBe(true);
    expect(chunks).toBeLessThan(3);
    expect(await holds(many, ['app9'])).toBe(false);
    expect((await refusalOf(() => holds(many.slice(0, -1), ['app9']))).code).toBe('balancer-unreachable');
    expect((await refusalOf(() => holds(`${INFO}No such table\n\n`, ['app1']))).message).toContain(
      'has no stick',
    );
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
      const { client } = targetAt(haproxy.socket, realClock);
      const streamReply: TableConnection['streamReply'] = (command, onChunk) =>
        client.streamReply(command, onChunk, 5_000, never);
      const entries = await countEntries({ target: client.target, streamReply }, 'app', OURS);
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
    wasResynced({ text, command: showPeers(), target: '/x', elapsedMs: 0 }, 'app', {
      pid: 1,
      version,
      uptimeSeconds: 1,
    });

  test.each([
    // As 2.6.12 showed it after a reload: by the worker before it; by no worker; by none yet.
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
  ])('is recognised by the flags of its section: %#', (text, version, expected) => {
    expect(taught(text, version)).toBe(expected);
  });

  test('is not read from an answer that was cut', () => {
    expect(() => taught(section('us', '0x1103', 'app').slice(0, -1))).toThrow('cannot be read');
  });
});
