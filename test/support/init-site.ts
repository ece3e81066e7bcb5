import { type CommandOutcome, lastcall, type Running, start } from './cli.ts';
import { startHaproxy, type Haproxy, type HaproxyOptions } from './haproxy.ts';
import { makeTempDir } from './tempdir.ts';

/** A machine of its own for `lastcall init`: HAProxys, and applications that listen. */
export interface InitSite {
  readonly dir: string;
  /** @param config backends and what belongs to them; `defaults` are there already */
  haproxy(config: string, options?: HaproxyOptions): Promise<Haproxy>;
  /** A process of its own that listens at these ports. */
  application(...ports: readonly number[]): Promise<void>;
  /** A program that ends with the site. */
  started(program: Running): Running;
  close(): Promise<void>;
}

/** What `init --json` says. */
export interface InitReport {
  readonly ok: boolean;
  readonly code: string;
  readonly message?: string;
  readonly next?: string;
  readonly node: string;
  readonly text: string;
  readonly balancers: readonly { readonly name: string; readonly servers: readonly string[] }[];
  readonly edits: readonly { readonly line: number; readonly text: string }[];
  readonly warnings: readonly string[];
}

/** No machine has an address of this network (RFC 5737). */
export const ELSEWHERE = '198.51.100.7:8080';

const DEFAULTS = `defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
`;

export async function openInitSite(): Promise<InitSite> {
  const temp = await makeTempDir();
  const haproxies: Haproxy[] = [];
  const programs: Running[] = [];
  const started = (program: Running): Running => {
    programs.push(program);
    return program;
  };
  return {
    dir: temp.path,
    started,
    async haproxy(config, options) {
      const haproxy = await startHaproxy(`${DEFAULTS}${config}`, options);
      haproxies.push(haproxy);
      return haproxy;
    },
    async application(...ports) {
      const script = `for (const port of [${ports.join()}]) require('node:http').createServer((q, r) => r.end('0'))
        .listen(port, '127.0.0.1', () => console.log('listens at ' + port));`;
      const program = started(start('setpriv', ['--pdeathsig', 'KILL', process.execPath, '-e', script]));
      for (const port of ports) await program.said(`listens at ${port}`);
    },
    async close() {
      for (const program of programs) {
        program.child.kill('SIGKILL');
        await program.outcome;
      }
      for (const haproxy of haproxies) await haproxy.stop();
      await temp.remove();
    },
  };
}

/** `init --print --json`, at each of these HAProxys. */
export async function showInit(
  at: readonly (Haproxy | string)[],
  ...words: readonly string[]
): Promise<InitReport> {
  const addresses = at.flatMap((one) => ['--haproxy', typeof one === 'string' ? one : one.socket]);
  const { stdout }: CommandOutcome = await lastcall(['init', ...addresses, ...words, '--print', '--json'])
    .outcome;
  return JSON.parse(stdout) as InitReport;
}
