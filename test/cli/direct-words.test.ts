import { describe, expect, test } from '@jest/globals';
import type { DirectOptions } from '../../agent/cli/ports.ts';
import { DIRECT, cli } from '../support/program.ts';

describe('Direct mode', () => {
  const given = async (...argv: string[]): Promise<DirectOptions | undefined> => {
    const { code, direct, stderr } = await cli(...argv);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return direct[0];
  };

  test('hands every flag to the engine', async () => {
    const options = await given(
      'stop',
      '--haproxy',
      'unix:/run/a.sock',
      '--haproxy',
      'tcp://10.0.0.12:9999',
      '--server',
      'app/app1',
      '--server',
      'api/app1',
      '--sessions',
      'http://127.0.0.1:8080/sessions',
      '--sessions-json',
      '/active',
      '--stop-pid',
      '/run/app.pid',
      '--health',
      'http://127.0.0.1:8080/health',
      '--quiet-for',
      '0s',
      '--not-sticky',
      '--keep',
      '0',
      '--unreachable',
      'ignore',
      '--reload-grace',
      '0s',
      '--state-file',
      '/var/lib/haproxy/a',
      '--state-file',
      '/var/lib/haproxy/b',
    );
    expect(options).toEqual({
      haproxy: ['unix:/run/a.sock', 'tcp://10.0.0.12:9999'],
      masters: [],
      tls: null,
      servers: ['app/app1', 'api/app1'],
      sessions: { url: 'http://127.0.0.1:8080/sessions', json: '/active' },
      stop: { kind: 'pidFile', path: '/run/app.pid' },
      health: 'http://127.0.0.1:8080/health',
      quietMs: 0,
      sticky: false,
      keep: 0,
      unreachable: 'ignore',
      reloadGraceMs: 0,
      stateFiles: ['/var/lib/haproxy/a', '/var/lib/haproxy/b'],
    });
  });

  test('leaves to the engine what the command line does not give', async () => {
    expect(await given('drain', ...DIRECT)).toEqual({
      haproxy: ['/run/haproxy/admin.sock'],
      masters: [],
      tls: null,
      servers: ['app/app1'],
      sessions: null,
      stop: null,
      health: null,
      quietMs: null,
      sticky: 'auto',
      keep: null,
      unreachable: null,
      reloadGraceMs: null,
      stateFiles: [],
    });
  });

  test('takes a master for each HAProxy, and files for those of tls://', async () => {
    const lb2 = ['--haproxy', 'tls://lb2:9999', '--master', '/m1', '--master', 'tcp://lb2:9998'];
    const files = ['--tls-ca', 'ca.pem', '--tls-cert', 'node.pem', '--tls-key', 'node.key'];
    expect(await given('drain', ...DIRECT, ...lb2, ...files)).toMatchObject({
      haproxy: ['/run/haproxy/admin.sock', 'tls://lb2:9999'],
      masters: ['/m1', 'tcp://lb2:9998'],
      tls: { ca: 'ca.pem', cert: 'node.pem', key: 'node.key' },
    });
  });

  test('takes digits for a pid', async () => {
    expect(await given('stop', ...DIRECT, '--stop-pid', '4711')).toMatchObject({
      stop: { kind: 'pid', pid: 4711 },
    });
  });

  test.each([
    ['systemctl stop tomcat10', ['systemctl', 'stop', 'tomcat10']],
    ['  /opt/my\\ app/stop   --now ', ['/opt/my app/stop', '--now']],
    [`stop 'a "b" $HOME' "c 'd' \\"e\\""`, ['stop', 'a "b" $HOME', `c 'd' "e"`]],
    [`stop a"b c"'d e'f ''`, ['stop', 'ab cd ef', '']],
    [
      'stop; rm -rf / && echo $(id) | tee *',
      ['stop;', 'rm', '-rf', '/', '&&', 'echo', '$(id)', '|', 'tee', '*'],
    ],
  ])('splits the stop command %j without a shell', async (text, command) => {
    expect(await given('stop', ...DIRECT, '--stop-command', text)).toMatchObject({
      stop: { kind: 'command', command },
    });
  });
});
