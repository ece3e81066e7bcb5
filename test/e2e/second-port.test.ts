import { afterEach, describe, expect, test } from '@jest/globals';
import { openWebsocket, type Guest } from '../support/app-with-open-connections.ts';
import { freePort } from '../support/ports.ts';
import { told } from '../support/rig.ts';
import { startStranger } from '../support/stranger.ts';
import { open, OTHER, refused, rig, sessions, stops } from '../support/surroundings-rig.ts';
import { until } from '../support/until.ts';

/** One process that listens at two ports, the second of which HAProxy has in a backend of its own. */

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** The servers of `sockets` lead to these ports; the frontend of the websockets leads to them. */
async function openTwoPorts(
  servers: (alsoPort: number) => string,
): Promise<{ readonly alsoPort: number; readonly front: number }> {
  const [alsoPort, front] = [await freePort(), await freePort()];
  const frontend = `frontend ws\n  bind 127.0.0.1:${front}\n  default_backend sockets\n`;
  await open({ alsoPort, others: `${OTHER}${frontend}backend sockets\n${servers(alsoPort)}` });
  return { alsoPort, front };
}

const isOpen = ({ ended }: Guest): Promise<boolean> =>
  Promise.race([ended.then(() => false), new Promise<true>((resolve) => setImmediate(() => resolve(true)))]);

const WS1 = (port: number): string => `  server ws1 127.0.0.1:${port}\n`;

describe('A server at another port of the same process', () => {
  test('stands against a stop, which would cut its users; a drain only warns of it', async () => {
    const { alsoPort, front } = await openTwoPorts(WS1);
    const guest = await openWebsocket(front, '');
    const { code, said, message } = await refused('stop', ...sessions(), ...stops());
    expect({ code, said }).toEqual({ code: 75, said: 'unlisted' });
    expect(message).toContain(`sockets/ws1 is served by the process of app/app1, at port ${alsoPort}: it is`);
    expect(message).toContain('--ignore-server sockets/ws1');
    const agent = await rig.sidecar();
    const drained = await told(agent.cli('drain'));
    expect(drained).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(drained.json.warnings.join()).toContain('sockets/ws1 is served by the process of app/app1');
    expect(await told(agent.cli('stop'))).toMatchObject({ code: 75, json: { code: 'unlisted' } });
    expect(await isOpen(guest)).toBe(true);
    expect(await rig.terms()).toBe(0);
    const ignoring = await told(agent.cli('stop', '--ignore-server', 'sockets/ws1'));
    expect(ignoring).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    guest.leave();
  });

  test('is waited for once it is listed', async () => {
    const { front } = await openTwoPorts(WS1);
    const guest = await openWebsocket(front, '');
    const stop = rig.direct('stop', '--server', 'sockets/ws1', '--keep', '0', ...sessions(), ...stops());
    await until('it drains', async () => (await rig.admin()) === 'DRAIN');
    expect(await isOpen(guest)).toBe(true);
    guest.leave();
    expect(await told(stop)).toMatchObject({ code: 0, json: { phase: 'stopped' } });
  });

  test('that a controller brings in the middle of a stop ends it before anything is stopped', async () => {
    const { alsoPort } = await openTwoPorts(() => '  server ws1 127.0.0.1:1\n');
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const stop = agent.cli('stop');
    await until('it drains', async () => (await rig.admin()) === 'DRAIN');
    await rig.haproxy.command(`set server sockets/ws1 addr 127.0.0.1 port ${alsoPort}`);
    await visitor.leave();
    const { code, json } = await told(stop);
    expect({ code, said: json.code, phase: json.phase }).toEqual({
      code: 75,
      said: 'unlisted',
      phase: 'serving',
    });
    expect(json.message).toContain('sockets/ws1 is served by the process of app/app1, at port');
    expect(await rig.terms()).toBe(0);
  });

  test('stands against nothing where another application has that port, or no process has it', async () => {
    const port = await freePort();
    const other = await startStranger(port);
    endings.push(() => other.end());
    await openTwoPorts(() => `${WS1(port)}  server ws2 127.0.0.1:1\n`);
    const { code, json } = await told(rig.direct('stop', ...sessions(), ...stops()));
    expect({ code, phase: json.phase }).toEqual({ code: 0, phase: 'stopped' });
    expect(json.warnings.join()).not.toContain('sockets/');
  });
});
