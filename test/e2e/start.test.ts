import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { realClock } from '../../agent/system/clock.ts';
import { lockNode } from '../../agent/system/lock.ts';
import { lastcall, type Running } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

/**
 * A start that cannot succeed ends with its code, and gives back all that it has taken. Within two seconds, which
 * `npm run bench` measures: here other tests have the machine too.
 */

let dir: TempDir;
let running: Running[];
beforeEach(async () => {
  dir = await makeTempDir();
  running = [];
});
afterEach(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  // The application of a test that failed holds our pipes.
  for (const { child } of running)
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  await dir.remove();
});

/** One start with a directory of its own. */
interface Case {
  readonly at: (name: string) => string;
  /** A free port. */
  readonly port: number;
  readonly hasProbe: boolean;
  /** Empty: plain `run`. */
  readonly command: readonly string[];
}

/** What stands in the way. */
interface Obstacle {
  readonly what: string;
  readonly code: number;
  /** What the error names. */
  readonly names: string;
  /** Sections of the configuration. */
  readonly sections: (one: Case) => object;
  /** Puts it there; the answer takes it away. */
  readonly befall: (one: Case) => Promise<() => Promise<unknown>>;
}

const PORTS = ['agentCheck', 'health', 'metrics'] as const;
type Port = (typeof PORTS)[number];
const listening = ({ at }: Case, key: Port, address: string): object => ({
  listen: { control: at('app1.sock'), [key]: key === 'agentCheck' ? { address } : address },
});

/** Another process listens at this TCP port, or at this path. */
async function occupied(place: number | string): Promise<() => Promise<unknown>> {
  const server = createServer((socket) => socket.destroy());
  await once(
    typeof place === 'number' ? server.listen(place, '127.0.0.1') : server.listen(place),
    'listening',
  );
  return () => new Promise((done) => server.close(done));
}

/** A file where a directory is to be: not even root can make anything in there. */
async function fileInPlace(path: string): Promise<() => Promise<void>> {
  await writeFile(path, '');
  return () => rm(path);
}

const OBSTACLES: readonly Obstacle[] = [
  ...PORTS.map((key) => ({
    what: `listen.${key} is busy`,
    code: 75,
    names: `listen.${key}`,
    sections: (one: Case) => listening(one, key, `127.0.0.1:${one.port}`),
    befall: ({ port }: Case) => occupied(port),
  })),
  {
    what: 'another process answers at the control socket',
    code: 75,
    names: 'app1.sock',
    sections: () => ({}),
    befall: ({ at }) => occupied(at('app1.sock')),
  },
  {
    what: 'a file stands where the control socket is to be',
    code: 78,
    names: 'app1.sock',
    sections: () => ({}),
    befall: ({ at }) => fileInPlace(at('app1.sock')),
  },
  {
    what: 'the directory of the control socket cannot be made',
    code: 78,
    names: 'no/app1.sock',
    sections: ({ at }) => ({ listen: { control: at('no/app1.sock') } }),
    befall: ({ at }) => fileInPlace(at('no')),
  },
  {
    what: 'the directory of the audit log cannot be made',
    code: 78,
    names: 'no/app1.log',
    sections: ({ at }) => ({ audit: at('no/app1.log') }),
    befall: ({ at }) => fileInPlace(at('no')),
  },
  {
    what: 'another sidecar of the same state file runs',
    code: 75,
    names: 'another sidecar already runs',
    sections: () => ({}),
    async befall({ at }) {
      const lock = await lockNode('app1', at('app1.json'), realClock);
      return () => lock.release();
    },
  },
  {
    what: 'the directory of the state file cannot be made',
    code: 73,
    names: 'no/app1.json',
    sections: ({ at }) => ({ state: at('no/app1.json') }),
    befall: ({ at }) => fileInPlace(at('no')),
  },
];

/** The number in a file that is written by another process; undefined as long as it is not there. */
async function pidIn(path: string): Promise<number | undefined> {
  const text = existsSync(path) ? await readFile(path, 'utf8') : '';
  return text.endsWith('\n') ? Number(text) : undefined;
}

async function configured({ at, hasProbe }: Case, sections: object): Promise<string> {
  const probe = { http: { url: 'http://127.0.0.1:9/' }, every: '250ms', timeout: '1s' };
  const config = {
    node: 'app1',
    ...(hasProbe ? { app: { probe } } : {}),
    balancers: [{ haproxy: at('nobody.sock'), servers: ['app/app1'] }],
    listen: { control: at('app1.sock') },
    state: at('app1.json'),
    log: { format: 'text' },
    ...sections,
  };
  await writeFile(at('app1.yaml'), JSON.stringify(config));
  return at('app1.yaml');
}

function run(config: string, command: readonly string[]): Running {
  const one = lastcall(['run', '-c', config, ...(command.length > 0 ? ['--', ...command] : [])]);
  running.push(one);
  return one;
}

/**
 * A start that fails, and one after nothing stands in the way any more.
 * @returns how each ended, and whether the first had started the application of `run --`
 */
async function failsThenStarts(one: Case, { sections, befall }: Obstacle): Promise<object> {
  const config = await configured(one, sections(one));
  const clear = await befall(one);
  const { code: failedWith, stderr } = await run(config, one.command).outcome;
  const wasStarted = existsSync(one.at('started'));
  await clear();
  const again = run(config, one.command);
  await again.said('running');
  // With the application of `run --` the sidecar ends.
  if (one.command.length === 0) again.child.kill('SIGTERM');
  else process.kill(await until('the application runs', () => pidIn(one.at('pid'))), 'SIGTERM');
  return { failedWith, stderr, wasStarted, code: (await again.outcome).code };
}

test.each(OBSTACLES)('$what: $code, and it starts once that is over', async (obstacle) => {
  const variants = [true, false].flatMap((hasProbe) =>
    [true, false].map((isParent) => ({ hasProbe, isParent })),
  );
  const ends = variants.map(async ({ hasProbe, isParent }) => {
    const own = join(dir.path, `${hasProbe ? 'probe' : 'none'}-${isParent ? 'parent' : 'alone'}`);
    await mkdir(own, { mode: 0o700 });
    const at = (name: string): string => join(own, name);
    const command = isParent
      ? ['sh', '-c', `touch ${at('started')}; echo $$ > ${at('pid')}; exec sleep 50`]
      : [];
    const end = await failsThenStarts({ at, port: await freePort(), hasProbe, command }, obstacle);
    return { hasProbe, isParent, ...end, isStarted: existsSync(at('started')) };
  });
  for (const end of await Promise.all(ends))
    expect(end).toEqual({
      hasProbe: end.hasProbe,
      isParent: end.isParent,
      failedWith: obstacle.code,
      stderr: expect.stringContaining(obstacle.names),
      wasStarted: false,
      code: end.isParent ? 143 : 0,
      isStarted: end.isParent,
    });
});

const alone = async (): Promise<Case> => ({
  at: (name) => join(dir.path, name),
  port: await freePort(),
  hasProbe: true,
  command: [],
});

test.each(PORTS)('listen.%s of no interface of this machine: 78', async (key) => {
  const one = await alone();
  const config = await configured(one, listening(one, key, '192.0.2.1:7'));
  const { code, stderr } = await run(config, []).outcome;
  expect({ code, stderr }).toEqual({ code: 78, stderr: expect.stringContaining(`listen.${key}`) });
});

test('A directory of its files that others may write to is named in the log', async () => {
  const one = await alone();
  const sections: Record<string, unknown> = {};
  for (const key of ['state', 'audit', 'listen']) {
    await mkdir(one.at(key));
    await chmod(one.at(key), 0o777);
    sections[key] = one.at(`${key}/file`);
  }
  sections['listen'] = { control: sections['listen'] };
  const sidecar = run(await configured(one, sections), []);
  await sidecar.said('running');
  sidecar.child.kill('SIGTERM');
  const { code, stderr } = await sidecar.outcome;
  expect(code).toBe(0);
  for (const key of ['state', 'audit', 'listen'])
    expect(stderr).toContain(`${one.at(key)}: every user may write to it, and so may take away or replace`);
});
