import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackDebian } from './debian.ts';
import { freePort } from './ports.ts';
import { makeTempDir } from './tempdir.ts';
import { until } from './until.ts';

/** A real etcd, of one member, in a directory of its own. */
export interface Etcd {
  readonly url: string;
  /** The answer of its JSON gateway. */
  ask(method: string, body: object): Promise<Record<string, unknown>>;
  /** The keys below a prefix with their values, as people see them with `etcdctl get --prefix`. */
  get(prefix: string): Promise<ReadonlyMap<string, string>>;
  put(key: string, value: string): Promise<void>;
  remove(key: string): Promise<void>;
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>;
  /** Starts it again after `kill`; `empty`: without its data. Resolves once it answers. */
  start(how?: { readonly empty?: boolean }): Promise<void>;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Kills it whatever its state and removes its directory. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * The program that `LASTCALL_ETCD` names, for a test of another version; else Debian's etcd, unpacked and not installed:
 * no service of it is started. `missing` says why it cannot be had.
 */
export async function findEtcd(): Promise<{ readonly program: string } | { readonly missing: string }> {
  const other = process.env['LASTCALL_ETCD'];
  if (other !== undefined) return { program: other };
  const program = 'usr/bin/etcd';
  const unpacked = await unpackDebian('etcd', ['etcd-server'], program);
  return 'missing' in unpacked
    ? { missing: `no etcd here: ${unpacked.missing}` }
    : { program: join(unpacked.root, program) };
}

/** @param program its path, by `findEtcd` */
export async function startEtcd(program: string): Promise<Etcd> {
  return startMember(program, 'm1', [await newMember('m1')]);
}

/** A cluster of three: it goes on with any two of them. */
export async function startCluster(program: string): Promise<readonly Etcd[]> {
  const names = ['m1', 'm2', 'm3'];
  const members = await Promise.all(names.map(newMember));
  return Promise.all(names.map((name) => startMember(program, name, members)));
}

interface Member {
  readonly name: string;
  readonly url: string;
  readonly peer: string;
}

async function newMember(name: string): Promise<Member> {
  return {
    name,
    url: `http://127.0.0.1:${await freePort()}`,
    peer: `http://127.0.0.1:${await freePort()}`,
  };
}

async function startMember(program: string, name: string, members: readonly Member[]): Promise<Etcd> {
  const temp = await makeTempDir();
  const { url = '', peer = '' } = members.find((member) => member.name === name) ?? {};
  const cluster = members.map((member) => `${member.name}=${member.peer}`).join(',');
  const data = join(temp.path, 'data');
  const words =
    `--name ${name} --data-dir ${data} --listen-client-urls ${url} --advertise-client-urls ${url} --listen-peer-urls ${peer} ` +
    `--initial-advertise-peer-urls ${peer} --initial-cluster ${cluster} --logger zap --log-level error`;
  let child: ChildProcess | null = null;
  let log = '';
  const kill = async (): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const ask = async (method: string, body: object): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${url}/v3/${method}`, { method: 'POST', body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  const start = async ({ empty = false } = {}): Promise<void> => {
    if (empty) await rm(data, { recursive: true, force: true });
    // It dies with the test, even when that one is killed.
    child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...words.split(' ')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
    await until('etcd answers', () =>
      // As linearizable as what is asked later: its member has to be the leader.
      ask('kv/range', { key: 'AA==' }).then(
        () => true,
        (error: unknown) => {
          if (child?.exitCode !== null) throw new Error(`etcd ended: ${log}`, { cause: error });
          return false;
        },
      ),
    );
  };
  const close = async (): Promise<void> => {
    await kill();
    await temp.remove();
  };
  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    ask,
    async get(prefix) {
      const end =
        prefix.slice(0, -1) + String.fromCodePoint((prefix.codePointAt(prefix.length - 1) ?? 0) + 1);
      const { kvs = [] } = await ask('kv/range', { key: base64(prefix), range_end: base64(end) });
      const rows = kvs as { readonly key: string; readonly value?: string }[];
      return new Map(rows.map(({ key, value = '' }) => [text(key), text(value)]));
    },
    async put(key, value) {
      await ask('kv/put', { key: base64(key), value: base64(value) });
    },
    async remove(key) {
      await ask('kv/deleterange', { key: base64(key) });
    },
    kill,
    start,
    signal: (name) => void child?.kill(name),
    close,
  };
}

function base64(value: string): string {
  return Buffer.from(value).toString('base64');
}

function text(value: string): string {
  return Buffer.from(value, 'base64').toString();
}
