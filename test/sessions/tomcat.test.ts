import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import type { TomcatSourceConfig } from '../../agent/config/source-config.ts';
import { createSources } from '../../agent/sessions/create.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { readActive, readList, readManagers } from '../../agent/sessions/tomcat-parse.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { sourceContract } from '../contract/source.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { fixture } from '../support/fixture-reports.ts';
import { skipped } from '../support/skip.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** The driver against recorded answers; the real Tomcat is in tomcat-real.test.ts. */

const SECRET = 'open sesame';
const AUTHORIZATION = `Basic ${Buffer.from(`counter:${SECRET}`).toString('base64')}`;

let temp: TempDir;
let passwordFile: string;
let warnings: string[];
const stubs: StubServer[] = [];
beforeEach(async () => {
  temp = await makeTempDir();
  passwordFile = join(temp.path, 'password');
  warnings = [];
  await writeFile(passwordFile, `${SECRET}\n`, { mode: 0o600 });
});
afterEach(async () => {
  for (const stub of stubs.splice(0)) await stub.stop();
  await temp.remove();
});

function configOf(url: string, more: Partial<TomcatSourceConfig> = {}): TomcatSourceConfig {
  return {
    kind: 'tomcat',
    url: `${url}manager`,
    user: 'counter',
    passwordFile,
    context: '/app',
    via: 'list',
    lowerExpiry: false,
    timeoutMs: 20_000,
    ...more,
  };
}

function sourceOf(url: string, more: Partial<TomcatSourceConfig> = {}, clock: Clock = realClock): Source {
  const onWarning = (text: string): unknown => warnings.push(text);
  const [source] = createSources([configOf(url, more)], { clock, onWarning });
  if (source === undefined) throw new Error('no source');
  return source;
}

/** Answers callers with the password, and only them. */
async function manager(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const stub = await startStub((request, response) => {
    if (request.headers.authorization === AUTHORIZATION) answer(request, response);
    else response.writeHead(401).end(`you sent ${String(request.headers.authorization)}`);
  });
  stubs.push(stub);
  return stub.url;
}

const list = (users: number | string, state = 'running'): string =>
  'OK - Anwendungen für virtuellen Host [localhost]\n' +
  `/:running:7:ROOT\n/app:${state}:${users}:app\n/app2:running:8:app2\n/manager:running:0:manager\n`;
const bean = (name: string, users: number | string, state = 'STARTED'): string =>
  `Name: ${name}\r\nmodelerType: org.apache.tomcat.util.modeler.BaseModelMBean\r\n` +
  `processExpiresFrequency: 6\r\nstateName: ${state}\r\nactiveSessions: ${users}\r\nsessionCounter: 99\r\n\r\n`;
const jmx = (...beans: readonly string[]): string =>
  `OK - Number of results: ${beans.length}\n\n${beans.join('')}`;
const APP = 'Catalina:type=Manager,host=localhost,context=/app';

for (const via of ['list', 'jmxproxy'] as const) {
  sourceContract(`Tomcat's manager, ${via}`, {
    counting: async (users, clock) =>
      sourceOf(
        await manager(({ url = '' }, response) => {
          if (url === '/manager/text/list') response.end(list(users));
          else if (url.startsWith('/manager/jmxproxy/?qry=*%3Atype%3DManager'))
            response.end(jmx(bean(APP, users)));
          else response.writeHead(404).end();
        }),
        { via },
        clock,
      ),
    absent: async (clock) => sourceOf(`http://127.0.0.1:${await freePort()}/`, { via }, clock),
    silent: async (clock) =>
      sourceOf(await manager((_request, response) => response.write('OK - ')), { via }, clock),
  });
}

describe('the list of applications', () => {
  test.each([
    [list(3), '/app', 3],
    [list(3), '/', 7],
    [list(3).replaceAll('\n', '\r\n'), '/app', 3],
    ['OK - x\n/app:running:3:app##1\n/app:running:4:app##2\n', '/app', 7],
  ])('says how many there are (%#)', (body, context, count) => {
    expect(readList(body, context)).toBe(count);
  });

  test.each([
    [list(0), '/missing', 'no application /missing'],
    [list(0), '/ap', 'no application'],
    [list(0, 'stopped'), '/app', '"stopped", not running'],
    ['OK - x\n/app:running:3:app##1\n/app:stopped:0:app##2\n', '/app', 'not running'],
    [list('-1'), '/app', 'is no count'],
    [list('1,234'), '/app', 'is no count'],
    [list(''), '/app', 'is no count'],
    ['OK - x\n/app\n', '/app', 'not running'],
    ['OK - x\n', '/app', 'no application'],
    ['FAIL - Encountered exception\n/app:running:0:app\n', '/app', 'FAIL'],
    ['', '/app', 'answers ""'],
    ['<html>/app:running:0:app</html>', '/app', 'answers'],
  ])('or does not say it (%#)', (body, context, problem) => {
    expect(readList(body, context)).toEqual({ problem: expect.stringContaining(problem) });
  });
});

describe('the session managers', () => {
  const active = (body: string, context = '/app'): unknown => {
    const managers = readManagers(body, context);
    return 'problem' in managers ? managers : readActive(managers);
  };
  test.each([
    [jmx(bean(APP, 3)), 3],
    [jmx(bean(APP, 3), bean(`${APP}2`, 4), bean(`${APP}/sub`, 5)), 3],
    [jmx(bean(`${APP}##1`, 3), bean(`${APP}##2`, 4)), 7],
    [jmx(bean('Engine:host=localhost,context=/app,type=Manager', 3)), 3],
  ])('say how many there are (%#)', (body, count) => {
    expect(active(body)).toBe(count);
  });

  test.each([
    [jmx(), 'no application /app'],
    [jmx(bean(`${APP}2`, 4)), 'no application /app'],
    [jmx(bean(APP, 0, 'STOPPED')), '"STOPPED", not STARTED'],
    [jmx(bean(APP, 0), bean(APP.replace('localhost', 'other'), 0)), 'localhost and other'],
    [jmx(bean(APP, 'x')), 'is no count'],
    [jmx(bean(APP, 0).replace('activeSessions', 'other')), 'is no count'],
    [jmx(`Name: ${APP}\r\n`), 'in no state'],
    ['Error - javax.management.InstanceNotFoundException\n', 'Error'],
    ['', 'answers ""'],
  ])('or do not say it (%#)', (body, problem) => {
    expect(active(body)).toEqual({ problem: expect.stringContaining(problem) });
  });
});

describe('the manager is asked with the password of the file', () => {
  const errors: string[] = [];
  const reasonOf = async (source: Source): Promise<string> => {
    const error = await refusalOf(() => source.count(never));
    errors.push(inspect(error, { depth: 9 }));
    return error.message;
  };
  afterEach(() => {
    for (const error of errors.splice(0)) {
      expect(error).not.toContain(SECRET);
      expect(error).not.toContain(AUTHORIZATION.slice('Basic '.length));
    }
  });

  test('which is read anew each time', async () => {
    const source = sourceOf(await manager((_request, response) => response.end(list(1))));
    await writeFile(passwordFile, 'wrong');
    expect(await reasonOf(source)).toContain('status 401');
    await writeFile(passwordFile, SECRET);
    expect(await source.count(never)).toBe(1);
  });

  test('and every user of the machine who may read it is warned of, once', async () => {
    const source = sourceOf(await manager((_request, response) => response.end(list(1))));
    await chmod(passwordFile, 0o640);
    expect(await source.count(never)).toBe(1);
    expect(warnings).toEqual([]);
    await chmod(passwordFile, 0o644);
    expect(await source.count(never)).toBe(1);
    expect(await source.count(never)).toBe(1);
    expect(warnings).toEqual([`every user of this machine may read or change ${passwordFile}`]);
  });

  test.each([
    ['empty', ''],
    ['empty', '\n'],
    ['more than one line', `${SECRET}\nother\n`],
    ['longer than 4096 bytes', 'x'.repeat(5_000)],
  ])('unless that is %s', async (reason, text) => {
    await writeFile(passwordFile, text);
    expect(await reasonOf(sourceOf('http://127.0.0.1:1/'))).toContain(reason);
  });

  test('unless there is none, or it is a directory, or a pipe without a writer', async () => {
    const path = join(temp.path, 'other');
    const source = sourceOf('http://127.0.0.1:1/', { passwordFile: path });
    expect(await reasonOf(source)).toContain('ENOENT');
    await mkdir(path);
    expect(await reasonOf(source)).toContain('no regular file');
    const pipe = join(temp.path, 'pipe');
    await promisify(execFile)('mkfifo', [pipe]);
    expect(await reasonOf(sourceOf('http://127.0.0.1:1/', { passwordFile: pipe }))).toContain(
      'no regular file',
    );
  });

  test('unless it is not ours to read', async () => {
    if (process.getuid?.() !== 0) return skipped('only root can become nobody');
    await chmod(temp.path, 0o755);
    const [program = '', ...args] = fixture(
      'counts-as-nobody',
      JSON.stringify(configOf('http://127.0.0.1:1/')),
    );
    const { stdout } = await promisify(execFile)(program, args);
    expect(stdout).toBe(`failed the password file ${passwordFile} cannot be read: EACCES\n`);
  });

  test.each([
    [403, 'may not ask'],
    [404, 'no manager'],
    [302, 'status 302'],
    [500, 'status 500'],
  ])('and status %i is no answer', async (status, reason) => {
    const url = await manager((_request, response) => response.writeHead(status).end(list(0)));
    expect(await reasonOf(sourceOf(url))).toContain(reason);
  });

  test('and a list that never ends is none either', async () => {
    const url = await manager((_request, response) => {
      const more = (): void => {
        while (response.write(list(0)));
      };
      response.on('drain', more);
      more();
    });
    expect(await reasonOf(sourceOf(url))).toContain('longer than');
  });
});
