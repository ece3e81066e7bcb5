import { describe, expect, test } from '@jest/globals';
import { MINIMAL, configOf, load, problemsOf, refuses } from './support.ts';

describe('what an operation needs must be there before its hour comes', () => {
  const restart = 'schedule: [{ cron: "0 4 * * 0", do: restart }]\n';

  test('a restart needs start and stop', async () => {
    expect(await problemsOf(MINIMAL + restart)).toEqual([
      '4:37: schedule[0].do: restart needs app.start and app.stop',
    ]);
    const stop = 'stop: { command: [a], gone: { pidFile: /run/a.pid } }';
    expect(await problemsOf(`${MINIMAL}app: { ${stop} }\n${restart}`)).toEqual([
      '5:37: schedule[0].do: restart needs app.start',
    ]);
    expect(await problemsOf(`${MINIMAL}app: { start: { command: [a] } }\n${restart}`)).toEqual([
      '5:37: schedule[0].do: restart needs app.stop',
    ]);
  });

  test('and a proof that the application has ended, since a stop command may return before', async () => {
    const app = (stop: string): string => `${MINIMAL}app: { start: { command: [a] }, stop: { ${stop} } }\n`;
    expect(await problemsOf(app('command: [b]') + restart)).toEqual([
      '5:37: schedule[0].do: restart needs app.stop.gone',
    ]);
    expect(await problemsOf(app('command: [b], gone: { port: 80 }') + restart)).toEqual([]);
    expect(await problemsOf(app('signal: { pidFile: /run/a.pid }') + restart)).toEqual([]);
  });

  test('a reboot needs a stop, and a start or a probe', async () => {
    const reboot = restart.replace('restart', 'reboot');
    expect(await problemsOf(MINIMAL + reboot)).toEqual([
      '4:37: schedule[0].do: reboot needs app.start or app.probe and app.stop',
    ]);
    const [stop, start] = ['stop: { command: [a] }', 'start: { command: [a] }'];
    expect(await problemsOf(`${MINIMAL}app: { ${stop} }\n${reboot}`)).toEqual([
      '5:37: schedule[0].do: reboot needs app.start or app.probe',
    ]);
    expect(await problemsOf(`${MINIMAL}app: { ${stop}, ${start} }\n${reboot}`)).toEqual([]);
    expect(await problemsOf(`${MINIMAL}app: { ${stop}, probe: { tcp: "h:1" } }\n${reboot}`)).toEqual([]);
  });

  test('which the command line gives where it names the app', async () => {
    expect(await problemsOf(MINIMAL + restart, { supervised: true })).toEqual([]);
  });

  test('a drain and a return need neither', async () => {
    expect(await problemsOf(`${MINIMAL}${restart.replace('restart', 'drain')}`)).toEqual([]);
    expect(await problemsOf(`${MINIMAL}${restart.replace('restart', 'ready')}`)).toEqual([]);
  });

  test('a sign-out that stops needs a stop', async () => {
    const text = `${MINIMAL}app: { onSignOut: stop }\n`;
    expect(await problemsOf(text)).toEqual(['4:19: app.onSignOut: stop needs app.stop']);
    expect(await problemsOf(text, { supervised: true })).toEqual([]);
  });
});

describe('the calendar', () => {
  const entry = (cron: string, timezone = 'UTC'): string =>
    `${MINIMAL}schedule: [{ do: drain, cron: "${cron}", timezone: "${timezone}" }]\n`;

  test.each([
    ['99 * * * *', '99 is an invalid expression for minute'],
    ['* * * *', 'expected 5 or 6 fields but got 4'],
    ['0 4 31 2 *', '31 2 is an impossible day of month for the given month'],
    ['', 'pattern includes illegal characters'],
  ])('knows no %j', async (cron, why) => {
    expect(await problemsOf(entry(cron))).toEqual([
      `4:31: schedule[0].cron: is not a cron expression: ${why}`,
    ]);
  });

  test.each(['Mars/Olympus', '', 'Europe/Zürich'])('knows no time zone %j', async (timezone) => {
    expect(await problemsOf(entry('0 4 * * 0', timezone))).toEqual([
      '4:54: schedule[0].timezone: is not a time zone such as Europe/Zurich',
    ]);
  });

  test.each(['Europe/Zurich', 'UTC', 'US/Eastern'])('knows the time zone %s', async (timezone) => {
    expect(await problemsOf(entry('0 4 * * 0', timezone))).toEqual([]);
  });

  test('has a jitter, and a condition that is a file or a command', async () => {
    const written = (more: string): string => `{ cron: "0 4 * * 0", do: drain, ${more} }`;
    const entries = [
      'jitter: 10m, when: { file: /run/reboot-required }',
      'when: { command: [is-due] }',
      'when: { command: [is-due, 8080], timeout: 1m }',
    ].map(written);
    const { schedule } = await configOf(`${MINIMAL}schedule: [${entries.join(', ')}]\n`);
    expect(schedule.map(({ jitterMs, when }) => ({ jitterMs, when }))).toEqual([
      { jitterMs: 600_000, when: { kind: 'file', path: '/run/reboot-required' } },
      { jitterMs: 0, when: { kind: 'command', command: ['is-due'], timeoutMs: 10_000 } },
      { jitterMs: 0, when: { kind: 'command', command: ['is-due', '8080'], timeoutMs: 60_000 } },
    ]);
  });

  test('is warned of six fields, which begin with the second', async () => {
    const warnings = async (cron: string): Promise<readonly string[]> => {
      const loaded = await load(entry(cron));
      return loaded.ok ? loaded.warnings : ['it is wrong'];
    };
    expect(await warnings('0 4 * * 0')).toEqual([]);
    for (const six of ['30 4 * * * *', ' 0  0 4 * *   0 '])
      expect(await warnings(six)).toEqual([
        'schedule[0].cron has six fields, the first of which is the second of the minute; a crontab has five, and begins with the minute',
      ]);
  });

  refuses([
    [
      `schedule: [{ cron: "0 4 * * 0", do: drain, reason: ${'x'.repeat(501)} }]`,
      '4:52: schedule[0].reason: is longer than 500 characters',
    ],
    [
      'schedule: [{ cron: "0 4 * * 0", do: drain, reason: "a\\nb" }]',
      '4:52: schedule[0].reason: must be one line without control or format characters',
    ],
    [
      'schedule: [{ cron: "0 4 * * 0", do: drain, reason: " " }]',
      '4:52: schedule[0].reason: must be a text that is not empty',
    ],
    [
      'schedule: [{ cron: "0 4 * * 0", do: drain, when: { file: due } }]',
      '4:58: schedule[0].when.file: must be an absolute path',
    ],
    [
      'schedule: [{ cron: "0 4 * * 0", do: drain, when: {}, jitter: 5 }]',
      '4:50: schedule[0].when: needs file or command',
      '4:62: schedule[0].jitter: has no unit, write for example 5s',
    ],
  ]);
});
