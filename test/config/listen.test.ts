import { describe, expect, test } from '@jest/globals';
import { configOf, load, MINIMAL, problemsOf, refuses } from './support.ts';

const ANSWERS = {
  up: { status: 200, body: 'UP' },
  drain: { status: 404, body: 'DRAIN' },
  down: { status: 503, body: 'DOWN' },
};
const SESSIONS = 'sessions: [{ http: { url: "http://a/" } }]\n';

describe('the health port', () => {
  test('is an address, or a mapping with the answers that differ', async () => {
    const short = await configOf(`${MINIMAL}listen: { health: 0.0.0.0:7002 }\n`);
    expect(short.listen.health).toEqual({ host: '0.0.0.0', port: 7002, allow: [], answers: ANSWERS });
    const long = await configOf(
      `${MINIMAL}listen: { health: { address: 0.0.0.0:7002, allow: [10.0.0.0/24], drain: { status: 200 }, down: { body: GONE } } }\n`,
    );
    expect(long.listen.health).toEqual({
      host: '0.0.0.0',
      port: 7002,
      allow: ['10.0.0.0/24'],
      answers: {
        up: ANSWERS.up,
        drain: { status: 200, body: 'DRAIN' },
        down: { status: 503, body: 'GONE' },
      },
    });
  });

  test('answers UP and DOWN only where the file lists no poller of it, and `check` warns of that', async () => {
    expect(await load(`${MINIMAL}listen: { health: 127.0.0.1:7002 }\n`)).toMatchObject({
      ok: true,
      warnings: ['listen.health answers UP and DOWN, and no DRAIN: no balancer is listed as `health`'],
    });
  });

  refuses([
    [
      'listen: { agentCheck: { address: 127.0.0.1:7001 }, health: 0.0.0.0:7001, metrics: 127.0.0.1:7001 }',
      '4:60: listen.health: wants the port of listen.agentCheck',
      '4:83: listen.metrics: wants the port of listen.agentCheck',
      '4:83: listen.metrics: wants the port of listen.health',
    ],
    [
      'listen: { health: 7002 }',
      '4:19: listen.health: expected host:port, or a mapping of address, allow, up, drain and down',
    ],
    ['listen: { health: { allow: [] } }', '4:19: listen.health.address: is required'],
    [
      'listen: { health: { address: 0.0.0.0:1, up: { status: 100 } } }',
      '4:55: listen.health.up.status: must be 200 or more',
    ],
    [
      'listen: { health: { address: 0.0.0.0:1, up: { status: 204 } } }',
      '4:55: listen.health.up.status: is a status without a body',
    ],
    [
      'listen: { health: { address: 0.0.0.0:1, drain: { status: 200, body: UP } } }',
      '4:48: listen.health.drain: is the same as up: no monitor could distinguish them',
    ],
    [
      'listen: { health: { address: 0.0.0.0:1, maint: {} } }',
      '4:41: listen.health.maint: unknown key, known here: address, allow, up, drain, down',
    ],
  ]);
});

describe('a balancer that asks the health port', () => {
  const text = 'balancers:\n  - health: { from: [10.0.0.20/30] }\n';

  test('needs the port, and a source that counts', async () => {
    expect(await problemsOf(text)).toEqual([
      '2:13: balancers[0].health: gives no count: sessions must name a source in the app',
      '2:13: balancers[0].health: needs listen.health, where it can ask us',
    ]);
    const config = await configOf(`${text}${SESSIONS}listen: { health: 0.0.0.0:7002 }\n`);
    expect(config.balancers).toEqual([{ kind: 'health', from: ['10.0.0.20/30'], fall: 2, rise: 2 }]);
  });

  test('may need more answers than two', async () => {
    const more = text.replace('/30] }', '/30], fall: 4, rise: 3 }');
    const config = await configOf(`${more}${SESSIONS}listen: { health: 0.0.0.0:7002 }\n`);
    expect(config.balancers).toMatchObject([{ fall: 4, rise: 3 }]);
    expect(await problemsOf(text.replace('/30] }', '/30], fall: 0 }'))).toContain(
      '2:43: balancers[0].health.fall: must be 1 or more',
    );
  });

  test('may find the text that it looks for in the text of another state, which is a warning', async () => {
    const listen = 'listen: { health: { address: 127.0.0.1:7002, drain: { body: updating } } }\n';
    expect(await load(`${text}${SESSIONS}${listen}`)).toMatchObject({
      ok: true,
      warnings: ['listen.health.drain: a monitor that looks for "UP" finds it in "updating" too'],
    });
  });

  test('is listed once, but may ask by agent-check as another one', async () => {
    const more = `  - agentCheck: { from: [10.0.0.20/30] }\n`;
    const listen = 'listen: { health: 0.0.0.0:7002, agentCheck: { address: 0.0.0.0:7001 } }\n';
    expect(await problemsOf(text + more + SESSIONS + listen)).toEqual([]);
    expect(await problemsOf(`${text}  - health: { from: [10.0.0.20/30] }\n${SESSIONS}${listen}`)).toEqual([
      '3:22: balancers[1].health.from[0]: cannot be distinguished from balancers[0], list each once',
    ]);
  });

  test('is known by an address', async () => {
    expect(await problemsOf('balancers:\n  - health: {}\n')).toEqual([
      '2:13: balancers[0].health.from: is required',
    ]);
  });
});

test('metrics are served where the file says, and not at all where it does not', async () => {
  expect((await configOf(MINIMAL)).listen.metrics).toBeNull();
  const config = await configOf(`${MINIMAL}listen: { metrics: "127.0.0.1:7003" }\n`);
  expect(config.listen.metrics).toEqual({ host: '127.0.0.1', port: 7003 });
});

describe('the audit log', () => {
  test('is kept where the file says, and nowhere where it does not', async () => {
    expect((await configOf(MINIMAL)).audit).toBeNull();
    expect((await configOf(`${MINIMAL}audit: /var/log/a.log\n`)).audit).toBe('/var/log/a.log');
  });
  refuses([['audit: a.log', '4:8: audit: must be an absolute path']]);
});

describe('the port of the hooks', () => {
  test('is served where the file says', async () => {
    expect((await configOf(MINIMAL)).listen.hooks).toBeNull();
    const config = await configOf(
      `${MINIMAL}listen: { hooks: { address: 0.0.0.0:7004, tokenFile: /t, allow: [10.0.0.0/8] } }\n`,
    );
    expect(config.listen.hooks).toEqual({
      host: '0.0.0.0',
      port: 7004,
      tokenFile: '/t',
      allow: ['10.0.0.0/8'],
    });
  });

  test.each(['127.0.0.1', '127.1.2.3', '[::1]'])('needs no token at %s, which is a warning', async (host) => {
    expect(await load(`${MINIMAL}listen: { hooks: { address: "${host}:7004" } }\n`)).toMatchObject({
      ok: true,
      warnings: ['listen.hooks has no tokenFile: every user of this machine may drain the node'],
    });
  });

  const needs = 'needs a tokenFile: without one every host that reaches this address could drain the node';
  refuses([
    ['listen: { hooks: { address: 0.0.0.0:7004 } }', `4:18: listen.hooks: ${needs}`],
    ['listen: { hooks: { address: "[::]:7004", allow: [127.0.0.1] } }', `4:18: listen.hooks: ${needs}`],
    ['listen: { hooks: { address: localhost:7004 } }', `4:18: listen.hooks: ${needs}`],
    ['listen: { hooks: { address: 127.0.0.1.example.net:7004 } }', `4:18: listen.hooks: ${needs}`],
    ['listen: { hooks: {} }', '4:18: listen.hooks.address: is required'],
    [
      'listen: { hooks: { address: 127.0.0.1:1, tokenFile: t, tokn: x } }',
      '4:53: listen.hooks.tokenFile: must be an absolute path',
      '4:56: listen.hooks.tokn: unknown key, known here: address, tokenFile, allow',
    ],
    [
      'listen: { metrics: 127.0.0.1:7004, hooks: { address: 127.0.0.1:7004 } }',
      '4:43: listen.hooks: wants the port of listen.metrics',
    ],
  ]);
});
