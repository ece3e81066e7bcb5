import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { errnoOf } from '../../agent/system/error.ts';
import { type Agent, openRig, patience, type Rig, type RigOptions, told } from '../support/rig.ts';
import { fixture } from '../support/fixture-reports.ts';
import { until } from '../support/until.ts';

let rig: Rig;
let webhook: Server | undefined;
afterEach(async () => {
  await rig.close();
  webhook?.close();
  webhook = undefined;
});

/** What a hook wrote down. */
interface Note {
  readonly word: string;
  /** By the calendar, in milliseconds. */
  readonly at: number;
  readonly told: Readonly<Record<string, string>>;
}

const log = (): string => `${rig.dir}/hooks.log`;

async function notes(): Promise<readonly Note[]> {
  try {
    const lines = (await readFile(log(), 'utf8')).split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Note);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

const words = async (): Promise<string[]> => (await notes()).map(({ word }) => word);

/** Resolves once the gate was last turned to this, and the sidecar knows. */
const gateIs = (word: string): Promise<true> =>
  until(`the gate is ${word}`, async () => (await words()).at(-1) === word);

async function gated(options: RigOptions, drain: Readonly<Record<string, unknown>> = {}): Promise<Agent> {
  rig = await openRig({ termMs: 50, ...options });
  const gate = {
    on: fixture('hook', log(), 'on', `${rig.node.url}/shut`),
    off: fixture('hook', log(), 'off', `${rig.node.url}/open`),
  };
  const agent = await rig.sidecar({ sections: { drain: { timeout: '30s', quiet: '0s', gate, ...drain } } });
  await agent.reaches('serving');
  // An earlier test may have left it shut.
  await gateIs('off');
  await until('the sidecar knows', async () => (await agent.client.status(patience())).alarms.length === 0);
  await rm(log());
  return agent;
}

/** The application's answer to a user without a session. */
const newcomer = async (): Promise<number> => {
  const answer = await fetch(rig.node.url);
  await answer.text();
  return answer.status;
};

describe('The gate', () => {
  test('is shut before the last look, after the users have left, and open again before HAProxy sends users', async () => {
    const agent = await gated({});
    const visitor = await rig.signIn();
    const draining = told(agent.cli('drain'));
    await agent.reaches('draining');
    expect(await words()).toEqual([]);
    await visitor.leave();
    expect(await draining).toMatchObject({ code: 0, json: { phase: 'drained', warnings: [] } });
    expect(await words()).toEqual(['on']);
    expect((await notes())[0]?.told).toEqual({ LASTCALL_NODE: 'app1' });
    expect(await newcomer()).toBe(503);
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await words()).toEqual(['on', 'off']);
    expect(await newcomer()).toBe(200);
  });

  test('that cannot be shut: zero is not reported, it is tried again and alarmed; the deadline opens it on its way back', async () => {
    const agent = await gated({});
    await writeFile(`${log()}.fails`, '');
    const draining = told(agent.cli('stop'));
    await until('it was tried three times', async () => (await words()).length >= 3);
    const { phase, alarms } = await agent.client.status(patience());
    expect(phase).toBe('fencing');
    expect(alarms.join('\n')).toContain('gate');
    await rm(`${log()}.fails`);
    expect(await draining).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    expect((await agent.client.status(patience())).alarms).toEqual([]);
    expect(await words()).not.toContain('off');
  });

  test.each([
    ['a cancel', '30s', 'cancelled'],
    ['the deadline', '1500ms', 'deadline'],
  ])('is open again after %s', async (how, timeout, code) => {
    const agent = await gated({});
    await writeFile(`${log()}.fails`, '');
    const { json: accepted } = await told(agent.cli('drain', '--no-wait', '--timeout', timeout));
    await until('it was tried', async () => (await words()).length > 0);
    if (how === 'a cancel') await agent.client.cancel(accepted.id, patience());
    const ended = await agent.ends(accepted.id);
    expect(ended).toMatchObject({ ok: false, code, phase: 'serving' });
    await rm(`${log()}.fails`);
    // The last try to shut it may have been under way, and succeeded after all: then it is opened after that.
    await until(
      'the gate is open',
      async () => (await newcomer()) === 200 && (await words()).at(-1) === 'off',
    );
    await until('no alarm', async () => (await agent.client.status(patience())).alarms.length === 0);
    expect(await rig.admin()).toBe('no check');
  });

  test('lets no user whom a reload without a state file sends between the last look and the end make a session', async () => {
    // The application lives on for two seconds after its SIGTERM.
    const agent = await gated({ master: true, termMs: 2_000 });
    const stopping = told(agent.cli('stop'));
    await until('the stop was issued', async () => (await rig.terms()) === 1);
    await rig.haproxy.reload();
    // All users who come now with an old cookie are sent to app1 by the new worker, until MAINT is written again.
    const made: string[] = [];
    for (let click = 0; click < 6; click++) {
      const answer = await fetch(rig.url, { headers: { cookie: 'SRV=app1' }, signal: patience() });
      await answer.text();
      made.push(answer.headers.get('set-cookie') ?? '');
    }
    expect(made.filter((cookie) => cookie.includes('JSESSIONID'))).toEqual([]);
    const { code, json } = await stopping;
    expect({ code, phase: json.phase, forced: json.forced }).toEqual({
      code: 0,
      phase: 'stopped',
      forced: 0,
    });
    // The warning of the reload is there, that of the window is not: the gate closes it.
    expect(json.warnings.join('\n')).not.toContain('milliseconds between the last look and the stop');
  });
});

describe('Warnings before the deadline', () => {
  test('run at their times with what they need to know, the webhook gets JSON, and one that hangs delays nothing', async () => {
    rig = await openRig();
    const heard: unknown[] = [];
    webhook = createServer((request, response) => {
      void text(request).then((body) => {
        heard.push({ method: request.method, body: JSON.parse(body) as unknown });
        response.end();
      });
    });
    webhook.listen(0, '127.0.0.1');
    await once(webhook, 'listening');
    const url = `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/warn`;
    const warn = [
      { before: '4s', command: fixture('hook', log(), 'hang'), timeout: '30s' },
      { before: '2500ms', command: fixture('hook', log(), 'first') },
      { before: '1s', webhook: url },
    ];
    const agent = await rig.sidecar({ sections: { drain: { timeout: '6s', quiet: '0s', warn } } });
    await agent.reaches('serving');
    await rig.signIn();
    const startedAt = Date.now();
    const { code, json } = await told(agent.cli('drain'));
    expect({ code, said: json.code }).toEqual({ code: 124, said: 'deadline' });
    const written = await notes();
    expect(written.map(({ word }) => word)).toEqual(['hang', 'first']);
    const environment = {
      LASTCALL_NODE: 'app1',
      LASTCALL_ID: json.id,
      LASTCALL_OPERATION: 'drain',
      LASTCALL_SESSIONS: '1',
      LASTCALL_ON_TIMEOUT: 'restore',
    };
    expect(written.map(({ told: all }) => all)).toEqual([
      { ...environment, LASTCALL_SECONDS_LEFT: '4' },
      { ...environment, LASTCALL_SECONDS_LEFT: expect.stringMatching(/^[23]$/) },
    ]);
    // Never early: the drain began after we asked for it.
    expect(
      written.map(({ at }, warningIndex) => at - startedAt >= Number([2_000, 3_500][warningIndex])),
    ).toEqual([true, true]);
    expect(heard).toEqual([
      {
        method: 'POST',
        body: {
          node: 'app1',
          id: json.id,
          operation: 'drain',
          sessions: 1,
          secondsLeft: 1,
          onTimeout: 'restore',
        },
      },
    ]);
    expect(json.warnings.join('\n')).not.toContain('warn hook');
    expect(await rig.admin()).toBe('no check');
    // Ends the hook that hangs.
    await agent.stop();
  });
});
