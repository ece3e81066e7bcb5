import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TomcatSourceConfig } from '../../agent/config/source-config.ts';
import { createSources } from '../../agent/sessions/create.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { realClock } from '../../agent/system/clock.ts';
import { parseStat } from '../../agent/system/process.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { createTomcat, LIST_USER, unpackTomcat, USER, type Tomcat } from '../support/tomcat.ts';
import { until } from '../support/until.ts';

/** Debian's Tomcat 10 with three applications. */
let tomcat: Tomcat;
let temp: TempDir;
let missing: string | null = null;

beforeAll(async () => {
  temp = await makeTempDir();
  await writeFile(join(temp.path, USER.user), `${USER.password}\n`, { mode: 0o600 });
  await writeFile(join(temp.path, LIST_USER.user), `${LIST_USER.password}\n`, { mode: 0o600 });
  const unpacked = await unpackTomcat();
  if ('missing' in unpacked) {
    missing = unpacked.missing;
    return;
  }
  tomcat = await createTomcat(unpacked.root, ['/', '/legacy', '/crowd']);
  await tomcat.start();
  await tomcat.untilServing();
}, 200_000);
afterAll(async () => {
  if (missing === null) await tomcat.close();
  await temp.remove();
});

/** A test that reports loudly where it could not run. */
function withTomcat(title: string, body: () => Promise<void>): void {
  test(title, async () => (missing === null ? body() : skipped(`no Tomcat: ${missing}`)));
}

function sourceOf(more: Partial<TomcatSourceConfig> = {}): Source {
  const user = more.user ?? USER.user;
  const config: TomcatSourceConfig = {
    kind: 'tomcat',
    url: tomcat.manager,
    user,
    passwordFile: join(temp.path, user),
    context: '/legacy',
    via: 'list',
    lowerExpiry: false,
    timeoutMs: 20_000,
    ...more,
  };
  const onWarning = (text: string): never => {
    throw new Error(`warned: ${text}`);
  };
  const [source] = createSources([config], { clock: realClock, onWarning });
  if (source === undefined) throw new Error('no source');
  return source;
}
const reasonOf = async (more: Partial<TomcatSourceConfig>): Promise<string> =>
  (await refusalOf(() => sourceOf(more).count(never))).message;
const BOTH = ['list', 'jmxproxy'] as const;

describe("Tomcat's sessions", () => {
  withTomcat('are counted per context, and asking makes none', async () => {
    for (const via of BOTH) {
      const [legacy, root] = [sourceOf({ via }), sourceOf({ via, context: '/' })];
      const before = [await legacy.count(never), await root.count(never)];
      await tomcat.visit('/legacy');
      await tomcat.visit('/legacy');
      await tomcat.visit('/');
      const after = [await legacy.count(never), await root.count(never)];
      expect(after).toEqual([(before[0] ?? 0) + 2, (before[1] ?? 0) + 1]);
      expect(await sourceOf({ via, context: '/manager' }).count(never)).toBe(0);
    }
  });

  withTomcat('are counted beyond a thousand, which Tomcat writes without a separator', async () => {
    for (let made = 0; made < 1_010; made += 101) {
      await Promise.all(Array.from({ length: 101 }, () => tomcat.visit('/crowd')));
    }
    for (const via of BOTH) expect(await sourceOf({ via, context: '/crowd' }).count(never)).toBe(1_010);
  });

  withTomcat('are unknown to a wrong password, a wrong user, and one without the role', async () => {
    await writeFile(join(temp.path, 'wrong'), 'wrong', { mode: 0o600 });
    for (const via of BOTH) {
      expect(await reasonOf({ via, passwordFile: join(temp.path, 'wrong') })).toContain('status 401');
      expect(await reasonOf({ via, user: 'nobody', passwordFile: join(temp.path, 'wrong') })).toContain(
        'status 401',
      );
    }
    expect(await sourceOf({ user: LIST_USER.user }).count(never)).toBeGreaterThanOrEqual(0);
    expect(await reasonOf({ user: LIST_USER.user, via: 'jmxproxy' })).toContain('status 403');
  });

  withTomcat('are unknown where there is no such context, no manager, or no Tomcat', async () => {
    for (const via of BOTH) {
      expect(await reasonOf({ via, context: '/leg' })).toContain('no application /leg');
      expect(await reasonOf({ via, url: `${tomcat.url}/nowhere` })).toContain('status 404');
      expect(await reasonOf({ via, url: 'http://127.0.0.1:1/manager' })).toContain('ECONNREFUSED');
    }
  });

  withTomcat('are unknown while the application is stopped, though Tomcat says 0', async () => {
    expect(await tomcat.ask('/text/stop?path=/crowd')).toContain('OK');
    expect(await tomcat.ask('/text/list')).toContain('/crowd:stopped:0:');
    for (const via of BOTH) expect(await reasonOf({ via, context: '/crowd' })).toContain('/crowd');
    expect(await tomcat.ask('/text/start?path=/crowd')).toContain('OK');
  });
});

describe('lowerExpiry', () => {
  const frequency = async (): Promise<string | undefined> => {
    const name = encodeURIComponent('Catalina:type=Manager,host=localhost,context=/legacy');
    const answer = await tomcat.ask(`/jmxproxy/?get=${name}&att=processExpiresFrequency`);
    return /= (\d+)/.exec(answer)?.[1];
  };
  const outingOf = (more: Partial<TomcatSourceConfig> = {}) => {
    const { tuning } = sourceOf({ lowerExpiry: true, ...more });
    if (tuning === undefined) throw new Error('no outing');
    return tuning;
  };

  withTomcat('is nothing unless it is asked for', async () => {
    expect(sourceOf().tuning).toBeUndefined();
    expect(await frequency()).toBe('6');
  });

  withTomcat(
    'lets expired sessions be missed soon, and is put back afterwards, also by a successor',
    async () => {
      const source = sourceOf();
      const before = await source.count(never);
      const found = await outingOf().apply(never);
      expect(await frequency()).toBe('1');
      await tomcat.visit('/legacy', 3);
      expect(await source.count(never)).toBe(before + 1);
      await until('the expired session is gone', async () => (await source.count(never)) <= before);
      // Another driver, as after a crash of the sidecar: it has the record, and no memory.
      await outingOf().restore(found, never);
      expect(await frequency()).toBe('6');
      await outingOf().restore(found, never);
      expect(await frequency()).toBe('6');
    },
  );

  withTomcat('leaves alone what something else has set meanwhile', async () => {
    const found = await outingOf().apply(never);
    const name = encodeURIComponent('Catalina:type=Manager,host=localhost,context=/legacy');
    await tomcat.ask(`/jmxproxy/?set=${name}&att=processExpiresFrequency&val=3`);
    await outingOf().restore(found, never);
    expect(await frequency()).toBe('3');
    await tomcat.ask(`/jmxproxy/?set=${name}&att=processExpiresFrequency&val=6`);
  });

  withTomcat('changes nothing where it is low already', async () => {
    const found = await outingOf().apply(never);
    expect(await outingOf().apply(never)).toBe('{}');
    await outingOf().restore(found, never);
    expect(await frequency()).toBe('6');
  });

  withTomcat('says why it cannot, and the count goes on', async () => {
    const outing = outingOf({ user: LIST_USER.user });
    const error = await refusalOf(() => outing.apply(never));
    expect(error).toMatchObject({ code: 'failed', next: expect.stringContaining('manager-jmx') });
    expect(await sourceOf({ user: LIST_USER.user }).count(never)).toBeGreaterThanOrEqual(0);
    const missingContext = await refusalOf(() => outingOf({ context: '/missing' }).apply(never));
    expect(missingContext.message).toContain('no application /missing');
  });
});

/** Of each thread of a process, as /proc shows it (proc(5)). */
async function threadStates(pid: number): Promise<string[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const stats = await Promise.all(threads.map((id) => readFile(`/proc/${pid}/task/${id}/stat`, 'utf8')));
  return stats.map((stat) => parseStat(stat)?.state ?? '');
}

describe('a Tomcat in trouble', () => {
  withTomcat('is unknown while it is frozen, and is counted again when it goes on', async () => {
    const [pid = 0] = tomcat.pids();
    const before = await sourceOf().count(never);
    process.kill(pid, 'SIGSTOP');
    try {
      // A thread on another processor runs on for a moment.
      await until('it stands still', async () => (await threadStates(pid)).every((state) => state === 'T'));
      for (const via of BOTH) expect(await reasonOf({ via, timeoutMs: 300 })).toContain('within 300 ms');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect(await sourceOf().count(never)).toBeLessThanOrEqual(before);
  });

  withTomcat('is unknown when it is killed', async () => {
    const [pid = 0] = tomcat.pids();
    process.kill(pid, 'SIGKILL');
    await until('it is gone', () => tomcat.pids().length === 0);
    for (const via of BOTH) expect(await reasonOf({ via })).toMatch(/ECONNREFUSED|ECONNRESET/);
  });
});
