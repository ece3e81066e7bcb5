import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Diagnosis } from '../../agent/doctor/diagnosis.ts';
import { allEnded } from '../support/all-ended.ts';
import { lastcall } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { type Agent, type Rig, statusAt, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import { isMissed, since, statusOf } from './helpers.ts';
import type { FaultStage } from './fault-stage.ts';

/** What HAProxy answers: cut, split, flooded, with other columns; and servers that are set up otherwise. */

/** Makes something else of a part of HAProxy's answer, and sends it. */
type Distort = (part: string, client: Socket) => void;

const asItIs: Distort = (part, client) => void client.write(part);
const half: Distort = (part, client) => void client.end(part.slice(0, part.length / 2));
const flood: Distort = (_part, client) => void client.end('x'.repeat(5_000_000));
const byteByByte: Distort = (part, client) => {
  for (const byte of part) client.write(byte);
};
/** The columns of a table but the first two in the other order, with one that no HAProxy has. */
const reordered: Distort = (part, client) => {
  const lines = part.split('\n');
  const head = lines.find((line) => line.startsWith('# pxname'));
  const width = head?.split(',').length ?? 0;
  const turned = lines.map((line) => {
    const cells = line.replace(/^# /, '').split(',');
    if (head === undefined || cells.length !== width) return line;
    const [proxy = '', server = '', ...others] = cells.slice(0, -1);
    const [mark, added] = line === head ? ['# ', 'new_one'] : ['', '7'];
    return `${mark}${[proxy, server, added, ...others.toReversed(), ''].join(',')}`;
  });
  client.write(turned.join('\n'));
};

/** A wire to HAProxy's socket that distorts answers. */
interface Wire {
  readonly socket: string;
  distort: Distort;
}

async function wireTo(stage: FaultStage, target: string): Promise<Wire> {
  const wire: Wire = { socket: join(await stage.directory(), 'wire.sock'), distort: asItIs };
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const haproxy = connect({ path: target }).setEncoding('utf8');
    for (const socket of [client, haproxy]) {
      open.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.setNoDelay(true);
    client.pipe(haproxy);
    haproxy.on('data', (part: string) => client.writable && wire.distort(part, client));
    haproxy.on('close', () => client.end());
    client.on('close', () => haproxy.destroy());
  });
  server.listen(wire.socket);
  await once(server, 'listening');
  stage.onEnd(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return wire;
}

const beside = (rig: Rig, wire: Wire): Promise<Agent> =>
  rig.sidecar({ sections: { balancers: [{ haproxy: `unix:${wire.socket}`, servers: ['app/app1'] }] } });

async function badAnswers(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const wire = await wireTo(stage, rig.haproxy.socket);
  const agent = await beside(rig, wire);
  await agent.reaches('serving');
  const visitor = await rig.signIn();
  const { json } = await told(agent.cli('stop', '--no-wait'));
  await agent.reaches('draining');
  const counts: (number | null | undefined)[] = [];
  for (const distort of [half, flood]) {
    wire.distort = distort;
    await isMissed(agent);
    counts.push((await statusOf(agent)).balancers[0]?.servers[0]?.connections);
    wire.distort = byteByByte;
    await until('it is read again', async () => (await statusOf(agent)).balancers[0]?.reachable === true);
  }
  const stopsMeanwhile = await rig.terms();
  await visitor.leave();
  const result = await agent.ends(json.id);
  const seen = {
    counts,
    stopsMeanwhile,
    code: result.code,
    admin: await rig.admin(),
    stops: await rig.terms(),
  };
  return compare(seen, { counts: [null, null], stopsMeanwhile: 0, code: 'done', admin: 'MAINT', stops: 1 });
}

async function otherColumns(stage: FaultStage): Promise<FaultSeen> {
  const rig = await stage.rig({ termMs: 50 });
  const wire = await wireTo(stage, rig.haproxy.socket);
  wire.distort = reordered;
  const agent = await beside(rig, wire);
  const visitor = await rig.signIn();
  const slow = visitor.click('/?sleep=1500');
  const { json } = await told(agent.cli('stop', '--no-wait'));
  const counted = await until('the request is counted', async () => {
    const [server] = (await statusOf(agent)).balancers[0]?.servers ?? [];
    return server?.connections === 1 && server.connections;
  });
  const page = await slow;
  await visitor.leave();
  const result = await agent.ends(json.id);
  const seen = { counted, answer: page.status, code: result.code, admin: await statusAt(rig.haproxy) };
  return compare(seen, { counted: 1, answer: 200, code: 'done', admin: 'MAINT' });
}

/** How a drain ends whose states no HAProxy polls, and whether `doctor` has named it. */
async function drainUnpolled(stage: FaultStage, way: 'no agent-check' | 'disable agent'): Promise<string> {
  const agentPort = await freePort();
  const polled = `agent-check agent-inter 200ms agent-addr 127.0.0.1 agent-port ${agentPort}`;
  const rig = await stage.rig({ server: way === 'no agent-check' ? '' : polled, agentPort });
  if (way === 'disable agent') await rig.haproxy.command('disable agent app/app1');
  const before = await rig.states();
  const haproxy = `unix:${rig.haproxy.operatorSocket}`;
  const balancers = [{ haproxy, writer: 'agent-check', servers: ['app/app1'] }];
  const agent = await rig.sidecar({ sections: { balancers } });
  await agent.reaches('serving');
  const { stdout } = await lastcall(['doctor', '--json', '-c', join(rig.dir, 'app1.yaml')]).outcome;
  const { code, json } = await told(agent.cli('drain'));
  const isNamed = json.message?.includes('agent-check') === true;
  const isUnchanged = (await rig.states()) === before;
  const { traps } = JSON.parse(stdout) as Diagnosis;
  const doctor = traps.some(({ id }) => id === 'agent-missing');
  return [
    way,
    code,
    isNamed ? 'named' : 'not named',
    isUnchanged ? 'unchanged' : 'changed',
    `doctor ${doctor}`,
  ].join(', ');
}

async function noAgentCheck(stage: FaultStage): Promise<FaultSeen> {
  const from = performance.now();
  const ways = ['no agent-check', 'disable agent'] as const;
  const seen = await allEnded(ways.map((way) => drainUnpolled(stage, way)));
  const expected = [
    'no agent-check, 78, named, unchanged, doctor true',
    'disable agent, 78, named, unchanged, doctor true',
  ];
  return compare({ seen }, { seen: expected }, `refused after ${since(from)}`);
}

async function trackedServers(stage: FaultStage): Promise<FaultSeen> {
  const others =
    '  server app2 127.0.0.1:1\nbackend sockets\n  server ws1 127.0.0.1:2 track app/app1\n' +
    '  server ws2 127.0.0.1:3 track sockets/ws1\n  server ws9 127.0.0.1:4\n';
  const rig = await stage.rig({ cookie: false, server: 'check inter 100ms', others });
  await until('app1 is UP', async () => (await rig.admin()) === 'UP');
  const states = (): Promise<string> => rig.states();
  const before = await states();
  const refused = await told(rig.direct('drain'));
  const isUnchanged = (await states()) === before;
  const listed = ['app/app1', 'sockets/ws1', 'sockets/ws2'].flatMap((name) => ['--server', name]);
  const drained = await told(lastcall(['drain', '--haproxy', rig.haproxy.socket, ...listed, '--json']));
  const seen = {
    code: refused.code,
    said: refused.json.code,
    names: ['sockets/ws1', 'sockets/ws2'].filter((name) => refused.json.message?.includes(name)),
    isUnchanged,
    listed: drained.code,
  };
  const names = ['sockets/ws1', 'sockets/ws2'];
  return compare(seen, { code: 75, said: 'unlisted', names, isUnchanged: true, listed: 0 });
}

export const ANSWER_FAULTS: readonly Fault[] = [
  {
    number: 28,
    title: 'answers cut, flooded, split per byte',
    made: 'a wire between the sidecar and HAProxy cuts answers in half, sends 5 MB instead, then byte by byte',
    expected: 'cut and flooded: unknown, no stop; byte by byte is read, and the stop is done',
    run: badAnswers,
  },
  {
    number: 29,
    title: 'columns of `show stat` moved and added',
    made: 'the same wire turns the columns behind the name round, and adds one',
    expected: 'read by the names in the header: the request is counted, and the stop is done',
    run: otherColumns,
    corrected: '`npm run test:versions` does the same with the real HAProxys of 2.4 to 3.3',
  },
  {
    number: 31,
    title: 'agent-check is the writer, and there is none',
    made: 'level operator with `writer: agent-check`: a server line without agent-check, and `disable agent`',
    expected:
      '78 `config` at once, which names the agent-check; nothing is changed; `doctor` knows both beforehand',
    run: noAgentCheck,
    corrected: 'there is no falling back to the Runtime API: one server has one writer',
  },
  {
    number: 32,
    title: 'tracked servers, several backends for one application',
    made: 'two servers of another backend track ours; drain with ours alone, then with all three',
    expected: '75 `unlisted`, which names both, nothing changed; with all three listed: done',
    run: trackedServers,
  },
];
