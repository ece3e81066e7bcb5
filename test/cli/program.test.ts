import { describe, expect, test } from '@jest/globals';
import { DIRECT, LB, cli } from '../support/program.ts';

describe('Help', () => {
  test.each([
    [],
    ['run'],
    ['drain'],
    ['stop'],
    ['ready'],
    ['restart'],
    ['hold'],
    ['release'],
    ['status'],
    ['doctor'],
    ['check'],
    ['completion'],
  ])('of lastcall %s begins with examples and goes to stdout', async (...verb: string[]) => {
    const { code, stdout, stderr } = await cli(...verb, '--help');
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Examples:\n {2}lastcall /);
    expect(stdout).toMatchSnapshot();
  });

  test('the version is printed alone', async () => {
    expect(await cli('--version')).toMatchObject({ code: 0, stdout: '1.2.3\n', stderr: '' });
  });
});

test('A command line without an argument is answered by the help', async () => {
  const { code, stdout, stderr } = await cli();
  expect({ code, stderr }).toEqual({ code: 64, stderr: '' });
  expect(stdout).toContain('Usage: lastcall');
});

describe('A mistake on the command line', () => {
  const mistakes: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['options and no command', ['--quiet'], /no command/],
    ['a misspelt command', ['drian'], /drian.*Did you mean drain/],
    ['a command that does not exist yet', ['conductor'], /unknown command 'conductor'/],
    ['a misspelt option', ['stop', '--forse'], /--forse.*Did you mean --force/],
    ['an option without its value', ['stop', '--reason'], /--reason/],
    ['a stray word', ['drain', 'app1'], /too many arguments/],
    ['a stray word of run', ['run', 'java'], /too many arguments/],
    ['run with nothing after --', ['run', '--'], /there is no command after --/],
    ['a command after -- where none belongs', ['drain', '--', 'java'], /takes no command/],
    ['--no-fence on stop', ['stop', '--no-fence'], /--no-fence/],
    ['--no-refuse on ready', ['ready', '--no-refuse'], /--no-refuse/],
    ['--no-refuse on restart', ['restart', '--no-refuse'], /--no-refuse/],
    ['a bare number as a duration', ['drain', '--timeout', '30'], /30.*unit/],
    ['a negative duration', ['drain', '--timeout', '-5s'], /negative/],
    ['a timeout of nothing', ['drain', '--timeout', '0s'], /longer than nothing/],
    ['an unknown policy', ['drain', '--on-timeout', 'shrug'], /restore, force, hold/],
    ['force without a reason', ['drain', '--force'], /reason/],
    ['an empty reason', ['drain', '--reason', ''], /reason/],
    ['--haproxy without --server', ['drain', ...LB], /--server/],
    ['--server without --haproxy', ['drain', '--server', 'app/app1'], /--server needs --haproxy/],
    ['--stop-pid without --haproxy', ['stop', '--stop-pid', '/run/app.pid'], /--stop-pid needs --haproxy/],
    ['stop with nothing to stop by', ['stop', ...DIRECT], /use `drain`/],
    ['a server without its backend', ['drain', ...LB, '--server', 'app1'], /app1/],
    ['a second command in a name', ['drain', ...LB, '--server', 'app/app1;shutdown'], /--server/],
    ['a newline in a name', ['drain', ...LB, '--server', 'app/app1\nshow info'], /--server/],
    ['a blank in a name', ['drain', ...LB, '--server', 'app/app 1'], /--server/],
    ['a NUL in a name', ['drain', ...LB, '--server', 'app/app1\0'], /--server/],
    ['a name that is too long', ['drain', ...LB, '--server', `app/${'x'.repeat(14_997)}`], /--server/],
    ['an address that is none', ['drain', '--haproxy', 'localhost', '--server', 'app/app1'], /--haproxy/],
    ['a port that is none', ['drain', '--haproxy', 'tcp://lb:99999', '--server', 'app/app1'], /--haproxy/],
    [
      'tls:// without its files',
      ['drain', '--haproxy', 'tls://lb:9999', '--server', 'app/app1', '--tls-ca', '/ca.pem'],
      /--tls-ca, --tls-cert and --tls-key/,
    ],
    ['files of tls:// for another address', ['drain', ...DIRECT, '--tls-key', '/k'], /--tls-key/],
    ['a master that is none', ['drain', ...DIRECT, '--master', 'tls://lb:9999'], /--master/],
    ['fewer masters than HAProxies', ['drain', ...DIRECT, '--haproxy', '/lb2', '--master', '/m'], /--master/],
    [
      'the Runtime API for its master CLI',
      ['drain', ...DIRECT, '--master', 'unix:/run/haproxy//admin.sock'],
      /--master .* is the address of --haproxy/,
    ],
    ['one server twice', ['drain', ...DIRECT, '--server', 'app/app1'], /--server app\/app1 is given twice/],
    [
      'one HAProxy by two spellings',
      ['drain', ...DIRECT, '--haproxy', 'unix:/run/haproxy/admin.sock'],
      /--haproxy unix:.* is given twice/,
    ],
    ['a configuration without a name', ['-c', '', 'check'], /--config names no file/],
    ['a master alone', ['drain', '--master', '/m'], /--haproxy/],
    ['direct mode with a sidecar', ['--socket', '/run/x.sock', 'drain', ...DIRECT], /--socket/],
    ['direct mode with a file', ['-c', 'x.yaml', 'drain', ...DIRECT], /--config/],
    ['--no-wait in direct mode', ['drain', '--no-wait', ...DIRECT], /--no-wait/],
    ['--expires in direct mode', ['drain', '--expires', '2h', ...DIRECT], /--expires/],
    ['a sessions URL that is none', ['drain', ...DIRECT, '--sessions', 'file:///etc/passwd'], /--sessions/],
    ['a pointer without a URL', ['drain', ...DIRECT, '--sessions-json', '/active'], /--sessions URL/],
    [
      'a pointer that is none',
      ['drain', ...DIRECT, '--sessions', 'http://h/', '--sessions-json', 'active'],
      /pointer/,
    ],
    ['pid 1', ['stop', ...DIRECT, '--stop-pid', '1'], /--stop-pid/],
    ['pid 0', ['stop', ...DIRECT, '--stop-pid', '0'], /--stop-pid/],
    ['a negative pid', ['stop', ...DIRECT, '--stop-pid', '-1'], /--stop-pid/],
    ['no pid at all', ['stop', ...DIRECT, '--stop-pid', ''], /--stop-pid/],
    ['two ways to stop', ['stop', ...DIRECT, '--stop-pid', '5', '--stop-command', 'x'], /exclude/],
    ['an empty stop command', ['stop', ...DIRECT, '--stop-command', ' '], /no command/],
    ['an open quote', ['stop', ...DIRECT, '--stop-command', 'a "b'], /quote/],
    ['a health URL that is none', ['ready', ...DIRECT, '--health', '/health'], /--health/],
    ['a bare number as quiet', ['drain', ...DIRECT, '--quiet-for', '1'], /--quiet-for/],
    ['a keep that is no number', ['drain', ...DIRECT, '--keep', '-1'], /--keep/],
    [
      'more servers to keep than a backend has',
      ['drain', ...DIRECT, '--keep', '10001'],
      /--keep "10001" is more than 10000: no backend has so many servers/,
    ],
    ['half a server to keep', ['drain', ...DIRECT, '--keep', '1.5'], /--keep/],
    ['an unknown way with the unreachable', ['drain', ...DIRECT, '--unreachable', 'panic'], /wait, ignore/],
    ['a bare number as grace', ['drain', ...DIRECT, '--reload-grace', '10'], /--reload-grace.*unit/],
    ['a state file that is no path', ['drain', ...DIRECT, '--state-file', 'state'], /--state-file/],
    [
      'fewer state files than HAProxies',
      ['drain', ...DIRECT, '--haproxy', '/lb2', '--state-file', '/s'],
      /--state-file/,
    ],
    ...[
      ['--keep', '0'],
      ['--unreachable', 'ignore'],
      ['--reload-grace', '0s'],
      ['--state-file', '/s'],
    ].map(
      ([flag = '', value = '']) =>
        [`${flag} with a sidecar`, ['drain', flag, value], new RegExp(`${flag} needs --haproxy`)] as const,
    ),
    ['a socket path that is too long', ['status', '--socket', `/${'x'.repeat(107)}`], /108 bytes/],
  ];

  test.each(mistakes)('%s is 64, one line on stderr, and nothing is touched', async (_what, argv, told) => {
    const { code, stdout, stderr, direct } = await cli(...argv);
    expect({ code, stdout, direct }).toEqual({ code: 64, stdout: '', direct: [] });
    expect(stderr).toMatch(told);
    expect(stderr).toMatch(/^lastcall: [^\n]+; [^\n]+\n$/);
  });

  test.each(mistakes)('%s gives one JSON object where JSON was asked for', async (_what, argv) => {
    const { code, stdout } = await cli('--json', ...argv);
    expect(code).toBe(64);
    expect(stdout.endsWith('\n')).toBe(true);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      code: 'usage',
      message: expect.any(String),
      next: expect.any(String),
    });
  });

  test('a restart in direct mode is 78: only a file can name a start', async () => {
    const { code, stderr, direct } = await cli('restart', ...DIRECT);
    expect({ code, direct }).toEqual({ code: 78, direct: [] });
    expect(stderr).toContain('app.start');
  });
});
