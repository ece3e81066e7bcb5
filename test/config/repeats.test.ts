import { describe, expect, test } from '@jest/globals';
import { MINIMAL, problemsOf, refuses } from './support.ts';

describe('what may stand once stands once', () => {
  refuses([
    [
      'sessions: [{ tcp: 8080 }, { idle: 5m }, { tcp: 8080, timeout: 2s }]',
      '4:41: sessions[2]: is sessions[0] again: its users would be counted twice',
    ],
    [
      'schedule: [{ cron: "0 4 * * 0", do: drain }, { cron: "0  4 * * 0", do: drain, reason: b }]',
      '4:46: schedule[1]: is schedule[0] again: it would run twice',
    ],
  ]);

  test.each([
    'sessions: [{ tcp: 8080 }, { tcp: 8081 }]',
    'schedule: [{ cron: "0 4 * * 0", do: drain }, { cron: "0 4 * * 0", do: ready }]',
    'schedule: [{ cron: "0 4 * * 0", do: drain, when: { file: /a } }, { cron: "0 4 * * 0", do: drain, when: { file: /b } }]',
  ])('what differs is no repetition: %s', async (text) => {
    expect(await problemsOf(`${MINIMAL}${text}\n`)).toEqual([]);
  });

  test('a HAProxy however its path is written, and its master CLI is another socket', async () => {
    const two = (first: string, second: string): Promise<string[]> =>
      problemsOf(
        `balancers:\n  - { haproxy: ${first}, servers: [a/b] }\n  - { haproxy: ${second}, servers: [a/b] }\n`,
      );
    const again = ['3:16: balancers[1].haproxy: is balancers[0] again, put all its servers there'];
    expect(await two('/run/h.sock', 'unix:/run/../run//h.sock')).toEqual(again);
    expect(await two('tcp://h:1', 'tcp://h:1')).toEqual(again);
    expect(await two('tcp://h:1', 'tcp://h:2')).toEqual([]);
    expect(await problemsOf('balancers: [{ haproxy: /h, master: unix:/h, servers: [a/b] }]\n')).toEqual([
      '1:36: balancers[0].master: is the address of haproxy: the master CLI has its own (haproxy -S)',
    ]);
  });
});

describe('no two uses of one file', () => {
  refuses([
    ['state: /a/x\naudit: /a/./x', '5:8: audit: is the file of state'],
    ['state: /a/x\nlisten: { control: /a/x }', '4:8: state: is the file of listen.control'],
    ['state: /run/haproxy/admin.sock', '4:8: state: is the file of balancers[0].haproxy'],
    [
      'audit: /run/app.pid\napp: { stop: { signal: { pidFile: /run/app.pid } } }',
      '4:8: audit: is the file of app.stop.signal.pidFile',
    ],
  ]);
});
