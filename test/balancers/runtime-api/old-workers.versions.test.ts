import { afterEach, describe, expect, test } from '@jest/globals';
import type { Socket } from 'node:net';
import type { Balancer } from '../../../agent/balancers/balancer.ts';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { startFake, type FakeHaproxy } from '../../support/fake-haproxy.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { never, refusalOf } from '../../support/outcome.ts';

/** Workers and masters of versions that this machine does not have, in their own words (BEHAVIOUR.md#reload, BEHAVIOUR.md#versions). */

const fakes: FakeHaproxy[] = [];
afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.stop();
});

type Answers = (command: string) => string;

/** Answers a line of commands one after the other, and closes as a worker does. */
async function fake(answers: Answers): Promise<FakeHaproxy> {
  const answer = (line: string, socket: Socket): void => {
    const commands = line.split(';').filter((command) => command !== 'quit');
    socket.end(commands.map(answers).join(''));
  };
  const made = await startFake(answer);
  fakes.push(made);
  return made;
}

const STAT = '# pxname,svname,qcur,scur,stot,status,idle_conn_cur,mode,econ,eresp,wredis,hrsp_5xx,\n';
const CONN =
  '# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[2]\n';
const STATE =
  '1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n3 app 1 app1 - 2 0\n\n';

/** The worker of after the reload, which has no connection. */
const worker =
  (version: string): Answers =>
  (command) => {
    if (command === 'show info')
      return `Name: HAProxy\nVersion: ${version}\nPid: 200\nUptime_sec: 9\nStopping: 0\n\n`;
    if (command.startsWith('show servers state')) return STATE;
    if (command.startsWith('show stat')) return `${STAT}app,app1,0,0,0,UP,0,http,0,0,0,0,\n\n`;
    return '\n';
  };

const NO_WORKER = "Can't find the target PID matching the prefix '@!100'";

const PROC_2_4 = `#<PID>          <type>          <relative PID>  <reloads>       <uptime>        <version>
90              master          0               1               0d00h02m07s     2.4.36
# workers
200             worker          1               0               0d00h00m09s     2.4.36
# old workers
100             worker          [was: 1]        1               0d00h00m43s     2.4.36
# programs

`;

const stream = (pointer: string, kind: string): string =>
  `${pointer}: proto=tcpv4 src=10.9.8.7:1 fe=f be=app srv=app1 ts=00 age=5s calls=2 rate=0 cpu=0 lat=0 ${kind}\n`;
const TUNNEL =
  'rq[f=848000h,i=0,an=00h,rx=,wx=,ax=] rp[f=80008000h,i=0,an=00h,rx=,wx=,ax=] s0=[8,0h,fd=1,ex=] s1=[8,1h,fd=2,ex=] exp=0s';
const WAITING =
  'rq[f=4dc00000h,i=9,an=8000h,rx=,wx=,ax=] rp[f=80000000h,i=0,an=00h,rx=,wx=,ax=] s0=[8,0h,fd=1,ex=] s1=[2,1h,fd=-1,ex=] exp=0s';

/** The master of 2.4; a stopping worker there shows no row of `show stat`. */
const master24 =
  (used: number, sessions: string): Answers =>
  (command) => {
    if (command === 'show proc') return PROC_2_4;
    if (!command.startsWith('@!100 ')) return "Can't find the target PID matching the prefix\n";
    if (command.includes('show servers state')) return STATE;
    if (command.includes('show servers conn'))
      return `${CONN}app/app1 3/1 - 80 - 5000 ${used} 9 9 0 0 -1 2 1 1\n\n`;
    if (command.includes('show stat')) return `${STAT}\n`;
    return `${sessions}\n`;
  };

async function between(
  version: string,
  answers: Answers,
): Promise<{ balancer: Balancer; master: FakeHaproxy }> {
  const [own, master] = [await fake(worker(version)), await fake(answers)];
  const options = { address: own.path, master: master.path, servers: ['app/app1'], timeoutMs: 2_000 };
  return { balancer: createRuntimeBalancer(options, { clock: realClock }), master };
}

describe('an old worker of 2.4, where `show stat` is empty', () => {
  test('is counted by its connections in use', async () => {
    const { balancer } = await between('2.4.36', master24(3, ''));
    const look = await balancer.look(never);
    expect(look).toMatchObject({ workers: 2, unseen: null, servers: [{ connections: 3, queued: 0 }] });
  });

  test('has no user only when its streams say so, too: TCP is not in use by HAProxy’s own count', async () => {
    const { balancer } = await between('2.4.36', master24(0, stream('0xa', TUNNEL) + stream('0xb', WAITING)));
    expect((await balancer.look(never)).servers).toMatchObject([{ connections: 1, queued: 1 }]);
    const empty = await between('2.4.36', master24(0, ''));
    expect((await empty.balancer.look(never)).servers).toMatchObject([{ connections: 0, queued: 0 }]);
  });

  test('is unknown when its streams cannot be read', async () => {
    const { balancer } = await between('2.4.36', master24(0, stream('0xa', 'rq[new] rp[new]')));
    const look = await balancer.look(never);
    expect(look).toMatchObject({ workers: null, servers: [{ connections: null }] });
    expect(look.unseen).toContain('cannot be read');
    expect(look.unseen).not.toContain('10.9.8.7');
  });
});

describe('an old worker that ends while it is asked', () => {
  test('has no user', async () => {
    let asked = 0;
    const { balancer } = await between('2.6.12', (command) => {
      if (command === 'show proc') {
        asked += 1;
        return asked === 1 ? PROC_2_4 : PROC_2_4.replace(/^100 .*\n/m, '');
      }
      return "Can't find the target PID matching the prefix '@!100'\n";
    });
    expect((await balancer.look(never)).servers).toMatchObject([{ connections: 0 }]);
  });

  test('is unknown as long as its master still lists it', async () => {
    const { balancer } = await between('2.6.12', (command) => (command === 'show proc' ? PROC_2_4 : ''));
    expect(await balancer.look(never)).toMatchObject({ workers: null, servers: [{ connections: null }] });
  });
});

/** The master of 3.4 while a new worker (300) reads its configuration: the one that serves (200) stands under the old. */
const PROC_3_4 = `#<PID>          <type>          <reloads>       <uptime>        <version>
90              master          2 [failed: 0]   0d00h02m07s     3.4.0
# workers
300             worker          0               0d00h00m00s     3.4.0
# old workers
200             worker          1               0d00h00m09s     3.4.0
100             worker          2               0d00h00m43s     3.4.0
`;

test('a master is asked once where the worker is alone, until another one answers', async () => {
  const alone = PROC_2_4.replace(/^100 .*\n/m, '');
  const { balancer, master } = await between('2.4.36', () => alone);
  for (let polls = 0; polls < 3; polls += 1)
    expect(await balancer.look(never)).toMatchObject({ workers: 1, unseen: null });
  expect(master.lines).toEqual(['show proc;quit']);
});

describe('a master of 2.8 and later that has no such worker', () => {
  test('ends with its answer: the master leaves the connection open, and that costs no time-out', async () => {
    let asked = 0;
    const master = await startFake((line, socket) => {
      if (!line.startsWith('show proc')) return void socket.write(`${NO_WORKER}\n`);
      asked += 1;
      // It ends right after it was listed.
      socket.end(`${asked === 1 || asked === 3 ? PROC_3_4 : PROC_3_4.replace(/^100 .*\n/m, '')}\n`);
    });
    const own = await fake(worker('3.4.0'));
    fakes.push(master);
    const options = { address: own.path, master: master.path, servers: ['app/app1'], timeoutMs: 1_000 };
    // Its clock stands still: a time-out would never come.
    const balancer = createRuntimeBalancer(options, { clock: new ManualClock() });
    expect(await balancer.look(never)).toMatchObject({ unseen: null, servers: [{ connections: 0 }] });
    expect(await balancer.holders('app/app1', never)).toMatchObject({ tunnels: 0, requests: 0 });
  });

  test('is not asked for one that still reads its configuration, and serves no user', async () => {
    const { balancer, master } = await between('3.4.0', (command) => {
      if (command === 'show proc') return `${PROC_3_4}\n`;
      if (!command.startsWith('@!100 ')) return `${NO_WORKER}\n`;
      if (command.includes('show servers state')) return STATE;
      return `${STAT}app,app1,0,7,0,UP,2,http,0,0,0,0,\n\n`;
    });
    expect(await balancer.look(never)).toMatchObject({ workers: 2, servers: [{ connections: 7 }] });
    expect(master.lines.join()).not.toContain('@!300');
  });

  test('of which another HAProxy answers is no master of it', async () => {
    const other = PROC_3_4.replaceAll(/^200/gm, '201');
    const { balancer } = await between('3.4.0', (command) => (command === 'show proc' ? `${other}\n` : '\n'));
    const look = await balancer.look(never);
    expect(look).toMatchObject({ workers: null, unseen: expect.stringContaining('has no worker') });
    expect((await refusalOf(() => balancer.holders('app/app1', never))).next).toContain('-S');
  });

  test('is asked nothing by a look that leaves the past alone', async () => {
    const { balancer, master } = await between('3.4.0', () => '\n');
    const warnings: string[] = [];
    for (let round = 0; round < 2; round += 1)
      expect(await balancer.look(never, 'leave')).toMatchObject({
        workers: null,
        unseen: null,
        uncounted: null,
      });
    expect(master.received).toEqual([]);
    const options = {
      address: fakes[0]?.path ?? '',
      master: master.path,
      servers: ['app/app1'],
      timeoutMs: 2_000,
    };
    const ports = { clock: realClock, onWarning: (text: string) => void warnings.push(text) };
    const warned = createRuntimeBalancer(options, ports);
    for (let round = 0; round < 2; round += 1) await warned.look(never, 'leave');
    expect(warnings).toEqual([expect.stringContaining('HAProxy 3.4.0 a connection to the master CLI ends')]);
  });
});

test('a row of another server is not counted for ours', async () => {
  const { balancer } = await between('2.6.12', (command) => {
    if (command === 'show proc') return PROC_2_4;
    if (command.includes('show servers state')) return STATE;
    return `${STAT}app,app2,0,7,0,UP,0,http,0,0,0,0,\n\n`;
  });
  expect(await balancer.look(never)).toMatchObject({ workers: null, servers: [{ connections: null }] });
});

test('each line to an old worker carries its prefix on each command, and ends the connection', async () => {
  const { balancer, master } = await between('2.6.12', (command) => {
    if (command === 'show proc') return PROC_2_4;
    if (command.includes('show servers state')) return STATE;
    if (command.includes('show stat')) return `${STAT}app,app1,0,7,0,UP,2,http,0,0,0,0,\n\n`;
    return '\n';
  });
  await balancer.holders('app/app1', never);
  await refusalOf(() => balancer.closeSessions('app/app2', 1, never));
  expect(await balancer.closeSessions('app/app1', 1, never)).toEqual({ tunnels: 0, requests: 0, left: 0 });
  for (const line of master.received)
    expect(line).toMatch(
      /^(show proc|@!100 (show servers state app|show stat #3 4 1|show sess server app\/app1));quit\n$/,
    );
});

test('a list of streams of any length takes no memory', async () => {
  const others = stream('0xabc', TUNNEL).replace('srv=app1', 'srv=app2').repeat(200);
  const block = others + stream('0xdef', TUNNEL).repeat(20);
  const rounds = 1_500;
  const own = await startFake((line, socket) => {
    if (!line.includes('show sess')) {
      socket.end(line.split(';').map(worker('2.6.12')).join(''));
      return;
    }
    socket.write(worker('2.6.12')('show info'));
    let left = rounds;
    const more = (): void => {
      left -= 1;
      if (left < 0) socket.end('\n');
      else socket.write(block, more);
    };
    more();
  });
  fakes.push(own);
  // However long a busy machine takes for it.
  const options = { address: own.path, servers: ['app/app1'], timeoutMs: 1_000 };
  const balancer = createRuntimeBalancer(options, { clock: new ManualClock() });
  const before = process.memoryUsage.rss();
  const held = await balancer.holders('app/app1', never);
  const grown = process.memoryUsage.rss() - before;
  expect(held).toMatchObject({ tunnels: 20 * rounds, requests: 0 });
  expect(held.oldest).toHaveLength(10);
  // 330,000 lines have come, 65 MB.
  expect(block.length * rounds).toBeGreaterThan(60_000_000);
  expect(grown).toBeLessThan(40_000_000);
});
