import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { askHttp } from '../support/ask-http.ts';
import { LASTCALL } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { type Agent, openRig, patience, type Rig, told } from '../support/rig.ts';
import { sidecarConfig, type SidecarOptions } from '../support/sidecar.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

const file = (): string => join(rig.dir, 'app1.yaml');
/** In one step, as editors and package managers do it: a reader never sees half a file. */
async function write(options: SidecarOptions): Promise<void> {
  await writeFile(`${file()}.new`, JSON.stringify(sidecarConfig(rig, rig.node, { quiet: '0s', ...options })));
  await rename(`${file()}.new`, file());
}

/** How often the log has the text. */
const times = (agent: Agent, words: string): number => agent.log().split(words).length - 1;
const TAKEN = 'the new configuration has taken effect';

/** Sends SIGHUP and waits until the log has the text once more. */
async function hangUp(agent: Agent, words = TAKEN): Promise<void> {
  const before = times(agent, words);
  process.kill(agent.pid, 'SIGHUP');
  await until(`the log says: ${words}`, () => times(agent, words) > before);
}

describe('SIGHUP to a plain sidecar reads the configuration again', () => {
  test('a wrong file is an error in the log, at its place, and the old one goes on', async () => {
    rig = await openRig();
    const agent = await rig.sidecar();
    await agent.reaches('serving');
    await writeFile(file(), 'balancers: [{ haproxy: /a, servers: [b/s] }]\ndrian: {}\n');
    await hangUp(agent, 'the configuration of before goes on');
    expect(agent.log()).toContain(`${file()}:2:1: drian: unknown key`);
    expect((await agent.client.status(patience())).phase).toBe('serving');
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    await agent.stop();
  });

  test('in a drain that a caller waits for: it goes on to its end, with the new configuration', async () => {
    rig = await openRig();
    const agent = await rig.sidecar();
    await agent.reaches('serving');
    const visitor = await rig.signIn();
    const running = agent.cli('drain');
    await until('app1 is in DRAIN', async () => (await rig.admin()) === 'DRAIN');
    const audit = join(rig.dir, 'audit.log');
    await write({ timeout: '77s', sections: { audit } });
    await hangUp(agent);
    expect(agent.log()).toContain('audit: changed in the file, and kept as before');
    await agent.reaches('draining');
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    expect(running.child.exitCode).toBeNull();
    await visitor.leave();
    expect(await told(running)).toMatchObject({ code: 0, json: { code: 'done', phase: 'drained' } });
    await told(agent.cli('ready'));

    const next = await rig.signIn();
    await told(agent.cli('drain', '--no-wait'));
    const { operation } = await agent.reaches('draining');
    expect(operation?.remaining).toBeGreaterThan(60);
    await next.leave();
    await agent.stop();
    expect(agent.log()).not.toContain('agent-unreachable');
  });

  test('another node or a port that is taken: nothing changes, and the log says why', async () => {
    rig = await openRig();
    const agent = await rig.sidecar();
    await agent.reaches('serving');
    await until('healthy', async () => (await agentLine(rig.node.agentPort)) === 'up\n');
    await write({ sections: { node: 'app9' } });
    await hangUp(agent, 'the configuration of before goes on');
    expect(agent.log()).toContain('`node` cannot change while lastcall runs');

    const taken = createServer();
    await once(taken.listen(0, '127.0.0.1'), 'listening');
    const { port } = taken.address() as { readonly port: number };
    const control = join(rig.dir, 'app1.sock');
    await write({ sections: { listen: { agentCheck: { address: `127.0.0.1:${port}` }, control } } });
    await hangUp(agent, 'the configuration of before goes on');
    expect(agent.log()).toContain(`cannot listen on 127.0.0.1:${port}`);
    taken.close();
    expect(await agentLine(rig.node.agentPort)).toBe('up\n');
    expect((await agent.client.status(patience())).phase).toBe('serving');
    await agent.stop();
  });

  test('a poller is answered in the middle of it, and never that the node is down', async () => {
    rig = await openRig();
    const healthPort = await freePort();
    const listen = {
      agentCheck: { address: `127.0.0.1:${rig.node.agentPort}` },
      health: `127.0.0.1:${healthPort}`,
      control: join(rig.dir, 'app1.sock'),
    };
    const agent = await rig.sidecar({ sections: { listen } });
    await agent.reaches('serving');
    await until('healthy', async () => (await agentLine(rig.node.agentPort)) === 'up\n');
    const answers: unknown[] = [];
    let over = false;
    const polling = [
      (async () => {
        while (!over) answers.push(await agentLine(rig.node.agentPort));
      })(),
      (async () => {
        while (!over) answers.push((await askHttp(healthPort, { path: '/' })).status);
      })(),
    ];
    try {
      for (let round = 0; round < 5; round += 1) {
        await write({ timeout: `${40 + round}s`, sections: { listen } });
        await hangUp(agent);
      }
    } finally {
      over = true;
    }
    await Promise.all(polling);
    expect([...new Set(answers)].filter((answer) => ![200, 'up\n', '\n'].includes(answer as string))).toEqual(
      [],
    );
    expect(answers.length).toBeGreaterThan(20);
    await agent.stop();
  });

  test('many at once are one more, and SIGTERM in the middle of it ends with 0', async () => {
    rig = await openRig();
    const agent = await rig.sidecar();
    await agent.reaches('serving');
    await write({ timeout: '50s' });
    for (let count = 0; count < 20; count += 1) process.kill(agent.pid, 'SIGHUP');
    await until('it was read', () => times(agent, 'SIGHUP: the configuration is read again') > 0);
    await until('it is over', async () => times(agent, TAKEN) > 0);
    expect((await agent.client.status(patience())).node).toBe('app1');
    await write({ timeout: '51s' });
    process.kill(agent.pid, 'SIGHUP');
    process.kill(agent.pid, 'SIGTERM');
    await agent.stop();
    expect(agent.log().trimEnd().split('\n').at(-1)).toContain('ended');
  });

  test('while it starts: it starts, and has the file of after it', async () => {
    rig = await openRig();
    await write({});
    const child = spawn(process.execPath, [LASTCALL, 'run', '-c', file()], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
    const ended = once(child, 'exit');
    try {
      // As soon as node has a handler for it: before that it is the system that ends the process.
      while (!catches(child.pid ?? 0)) await sleep(1);
      await write({ timeout: '88s' });
      child.kill('SIGHUP');
      const status = [process.execPath, LASTCALL, 'status', '--socket', join(rig.dir, 'app1.sock')];
      await until('it serves', async () => {
        const asked = spawn(status[0] ?? '', status.slice(1), { stdio: 'ignore' });
        return ((await once(asked, 'exit')) as [number])[0] === 0;
      });
      await until('it has the file', () => /taken effect|is the same as before/.test(log));
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
  });
});

/** Is SIGHUP caught by this process? */
function catches(pid: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '0';
  return (BigInt(`0x${mask}`) & 1n) === 1n;
}

async function agentLine(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  return text(socket);
}
