import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chmod, writeFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api/driver.ts';
import { parseAddress } from '../../agent/haproxy/address.ts';
import { createClient, type Client } from '../../agent/haproxy/client.ts';
import { showInfo, showServersState, batch } from '../../agent/haproxy/command.ts';
import { answersOf } from '../../agent/haproxy/reply.ts';
import type { TlsFiles } from '../../agent/haproxy/tls.ts';
import { realClock } from '../../agent/system/clock.ts';
import { bundle, createAuthority, type Authority, type Certificate } from '../support/certificates.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { packageRoot } from '../support/sample.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';
import { DEFAULTS } from './transcripts.ts';

let temp: TempDir;
let ours: Authority;
let others: Authority;
let files: TlsFiles;
let haproxy: Haproxy;
let port: number;
beforeAll(async () => {
  temp = await makeTempDir();
  ours = await createAuthority(temp.path, 'ours');
  others = await createAuthority(temp.path, 'others');
  files = { ca: ours.ca, ...(await ours.issue('node', 'DNS:node')) };
  port = await freePort();
  haproxy = await behind(await bundle(await ours.issue('lb', 'DNS:localhost,IP:127.0.0.1')), port);
});
afterAll(async () => {
  await haproxy.stop();
  await temp.remove();
});

/** HAProxy with the sample that is shipped, and this certificate. */
async function behind(crt: string, at: number): Promise<Haproxy> {
  const sample = await readFile(join(packageRoot(), 'haproxy', 'runtime-api-tls.cfg'), 'utf8');
  return startHaproxy((dir) => {
    const values: Readonly<Record<string, string>> = {
      LB_SOCKET: join(dir, 'admin.sock'),
      LB_TLS_LISTEN: `127.0.0.1:${at}`,
      LB_TLS_CRT: crt,
      LB_TLS_CA: ours.ca,
    };
    const lines = Object.entries(values).map(([name, value]) => `  setenv ${name} ${value}\n`);
    return `global\n${lines.join('')}${DEFAULTS}listen app\n  server app1 127.0.0.1:9\n${sample}`;
  });
}

const clientOf = (tls: TlsFiles | null, address = `tls://localhost:${port}`): Client =>
  createClient(address, parseAddress(address, 'config'), { clock: realClock, tls });

const refused = (tls: TlsFiles, address?: string): ReturnType<typeof refusalOf> =>
  refusalOf(() => clientOf(tls, address).exchange(showInfo(), 5_000, never));

describe('the Runtime API over TLS', () => {
  test('answers a client with a certificate of its authority, by name and by address', async () => {
    for (const address of [`tls://localhost:${port}`, `tls://127.0.0.1:${port}`]) {
      const reply = await clientOf(files, address).exchange(showInfo(), 5_000, never);
      expect(answersOf(reply)[0]).toContain(`\nPid: ${haproxy.pid}\n`);
      expect(reply.target).toBe(address);
    }
  });

  test('pours a long answer too', async () => {
    const pieces: string[] = [];
    const take = (chunk: Buffer): boolean => (pieces.push(chunk.toString('latin1')), false);
    await clientOf(files).streamReply(batch(showInfo(), showServersState('app')), take, 5_000, never);
    const [info, states] = pieces.join('').split('\n\n');
    expect(info).toContain(`\nPid: ${haproxy.pid}\n`);
    expect(states).toContain(' app1 ');
  });

  test('is resumed by the next connection, and not once a certificate of ours is another one', async () => {
    const own = { ...files, cert: join(temp.path, 'own.pem'), key: join(temp.path, 'own.key') };
    const write = async ({ cert, key }: Certificate): Promise<void> => {
      await writeFile(own.cert, await readFile(cert));
      await writeFile(own.key, await readFile(key));
    };
    await write(await ours.issue('first', 'DNS:node'));
    const client = clientOf(own);
    const ask = async (): Promise<string> =>
      answersOf(await client.exchange(showInfo(), 5_000, never)).join('');
    // Of the last second: as often as that takes.
    await until('most connections were resumed', async () => {
      const percent = /^SslFrontendSessionReuse_pct: (\d+)$/m.exec(await ask())?.[1];
      return Number(percent) > 50;
    });
    await write(await others.issue('foreign', 'DNS:node'));
    expect(await refusalOf(ask)).toMatchObject({ code: 'not-permitted' });
    await write(await ours.issue('second', 'DNS:node'));
    expect(await ask()).toContain(`\nPid: ${haproxy.pid}\n`);
  });

  test('is looked at and written to like any other', async () => {
    const address = `tls://127.0.0.1:${port}`;
    const options = { address, servers: ['app/app1'], timeoutMs: 5_000, tls: files };
    const balancer = createRuntimeBalancer(options, { clock: realClock });
    expect(await balancer.look(never)).toMatchObject({ worker: { pid: haproxy.pid } });
    expect(await balancer.set('app/app1', 'maint', ['ready'], never)).toMatchObject({ admin: 'maint' });
    expect(await balancer.set('app/app1', 'ready', ['maint'], never)).toMatchObject({ admin: 'ready' });
    expect((await balancer.survey(never)).facts).toMatchObject([{ usableOthers: 0 }]);
  });

  test('refuses a certificate of another authority', async () => {
    const stranger = await others.issue('stranger', 'DNS:node');
    const refusal = await refused({ ca: ours.ca, ...stranger });
    expect(refusal).toMatchObject({ code: 'not-permitted', next: expect.stringContaining('ca-file') });
    expect(refusal.message).toMatch(/our certificate was refused/);
  });

  test('refuses a certificate that has expired', async () => {
    const refusal = await refused({ ca: ours.ca, ...(await ours.issue('late', 'DNS:node', -1)) });
    expect(refusal).toMatchObject({ code: 'not-permitted' });
    expect(refusal.message).toMatch(/our certificate was refused: it has expired/);
  });

  test('is refused itself when another authority speaks for it', async () => {
    const refusal = await refused({ ...files, ca: others.ca });
    expect(refusal).toMatchObject({ code: 'not-permitted', next: expect.stringContaining('issued by our') });
    expect(refusal.message).toMatch(/its certificate is not trusted/);
  });

  test.each([
    ['for another host', 'DNS:lb.example.net', 1, /is for another host/],
    ['that has expired', 'DNS:localhost', -1, /is not valid now/],
  ])('is refused itself with a certificate %s', async (what, names, days, words) => {
    const at = await freePort();
    const lb = await behind(await bundle(await ours.issue(what.replaceAll(' ', '-'), names, days)), at);
    try {
      const refusal = await refused(files, `tls://localhost:${at}`);
      expect(refusal).toMatchObject({ code: 'not-permitted', target: `tls://localhost:${at}` });
      expect(refusal.message).toMatch(words);
    } finally {
      await lb.stop();
    }
  });

  test('is known from a port that speaks none', async () => {
    const at = await freePort();
    const plain = await startHaproxy(`global\n  stats socket ipv4@127.0.0.1:${at} level admin\n${DEFAULTS}`);
    try {
      expect(await refused(files, `tls://127.0.0.1:${at}`)).toMatchObject({ code: 'balancer-unreachable' });
    } finally {
      await plain.stop();
    }
  });

  test('needs files that can be read and belong together, and tells nothing of what is in them', async () => {
    const missing = await refused({ ...files, key: join(temp.path, 'none.key') });
    expect(missing).toMatchObject({ code: 'config', target: expect.stringContaining('none.key') });
    const other = await ours.issue('other', 'DNS:other');
    const mixed = await refused({ ...files, key: other.key });
    expect(mixed).toMatchObject({ code: 'config', next: expect.stringContaining('belongs to') });
    const secret = join(temp.path, 'secret.key');
    await writeFile(secret, 'SECRET-IN-THE-WRONG-PLACE');
    await chmod(secret, 0o600);
    const broken = await refused({ ...files, key: secret });
    expect(broken.code).toBe('config');
    expect(`${broken.message} ${broken.next} ${broken.stack} ${JSON.stringify(broken)}`).not.toContain(
      'SECRET-IN',
    );
  });

  test('takes a certificate that was renewed, without a new client', async () => {
    const renewed = await ours.issue('renewed', 'DNS:node', -1);
    const client = clientOf({ ca: ours.ca, ...renewed });
    expect((await refusalOf(() => client.exchange(showInfo(), 5_000, never))).code).toBe('not-permitted');
    const fresh = await ours.issue('fresh', 'DNS:node');
    await writeFile(renewed.cert, await readFile(fresh.cert));
    await writeFile(renewed.key, await readFile(fresh.key));
    expect(answersOf(await client.exchange(showInfo(), 5_000, never))[0]).toContain('Name: HAProxy');
  });

  test('goes with its files, and they with it', async () => {
    expect(await refusalOf(() => clientOf(null))).toMatchObject({ code: 'config' });
    expect(await refusalOf(() => clientOf(files, 'tcp://127.0.0.1:9'))).toMatchObject({ code: 'config' });
  });
});
