import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Diagnosis } from '../../agent/doctor/diagnosis.ts';
import { type CommandOutcome, lastcall, type Running, start } from './cli.ts';
import { type Haproxy, startHaproxy } from './haproxy.ts';
import type { InitReport } from './init-site.ts';
import { startNameServer } from './name-server.ts';
import { freePort } from './ports.ts';
import { packageRoot } from './sample.ts';
import { until } from './until.ts';

/**
 * Machines behind the configurations of test/fixtures/field: two applications, an agent that says `up ready`, a DNS server,
 * and a HAProxy for each of the configurations.
 */
export interface FieldSite {
  /** @param name of the fixture, without `.cfg`. Resolves once every server that is checked has been. */
  haproxy(name: string): Promise<Haproxy>;
  /** The names that the DNS server knows. */
  readonly names: Set<string>;
  close(): Promise<void>;
}

const PLACES = ['FRONT', 'APP1', 'APP2', 'AGENT', 'DNS'] as const;

export async function openFieldSite(): Promise<FieldSite> {
  const ports = new Map<string, number>();
  for (const place of PLACES) ports.set(place, await freePort());
  const portOf = (place: string): number => ports.get(place) ?? 0;
  const apps = [await application(portOf('APP1')), await application(portOf('APP2'))];
  const agent = createServer((socket) => {
    socket.on('error', () => undefined); // HAProxy closes as soon as it has read the line.
    socket.end('up ready 100%\n');
  });
  await new Promise<void>((resolve) => agent.listen(portOf('AGENT'), '127.0.0.1', resolve));
  const dns = await startNameServer();
  ports.set('DNS', dns.port);
  return {
    names: dns.known,
    async haproxy(name) {
      const text = readFileSync(join(packageRoot(), 'test', 'fixtures', 'field', `${name}.cfg`), 'utf8');
      ports.set('FRONT', await freePort());
      const haproxy = await startHaproxy(
        text.replaceAll(/\b(FRONT|APP1|APP2|AGENT|DNS)\b/g, (place) => String(portOf(place))),
      );
      await until(
        'every server has been checked',
        async () => !(await haproxy.command('show stat')).includes(',INI,'),
      );
      return haproxy;
    },
    async close() {
      for (const { child, outcome } of apps) {
        child.kill('SIGKILL');
        await outcome;
      }
      dns.stop();
      await new Promise((resolve) => void agent.close(resolve));
    },
  };
}

/** A process of its own, with a page that says 0. */
async function application(port: number): Promise<Running> {
  const script = `require('node:http').createServer((q, r) => r.end('0')).listen(${port}, '127.0.0.1', () => console.log('up'))`;
  const running = start('setpriv', ['--pdeathsig', 'KILL', process.execPath, '-e', script]);
  await running.said('up');
  return running;
}

/** What an operator sees who takes the steps of the README. */
export interface FirstMinutes {
  /** `init`: what it asks, and what it warns of. */
  readonly questions: readonly string[];
  readonly warnings: string;
  readonly servers: readonly string[];
  /** The traps that `doctor` names by its severity, once the block `sessions` is edited. */
  readonly traps: Readonly<Record<'breaks' | 'costs' | 'note', readonly string[]>>;
  readonly diagnosis: Diagnosis;
  /** `drain --dry-run` at the servers that init has found. */
  readonly dryRun: CommandOutcome;
}

/** `init`, one edit of the block `sessions`, then `check`, `doctor` and `drain --dry-run`. */
export async function takeFirstMinutes(
  { dir, socket }: Haproxy,
  servers: readonly string[],
  edit: (text: string) => string,
): Promise<FirstMinutes> {
  const file = join(dir, 'lastcall.yaml');
  const named = servers.flatMap((server) => ['--server', server]);
  const init = await lastcall(['init', '--haproxy', socket, ...named, '-c', file, '--json']).outcome;
  if (init.code !== 0) throw new Error(`init: ${init.stdout}${init.stderr}`);
  const { edits, warnings, balancers } = JSON.parse(init.stdout) as Omit<InitReport, 'text'>;
  const found = balancers.flatMap((balancer) => balancer.servers);
  // The files of this node are in a directory of the test, in place of /run and /var/lib.
  const own = `\nstate: ${dir}/app.json\nlisten: { control: ${dir}/control.sock }\n`;
  const text = patient(edit(await readFile(file, 'utf8')));
  await writeFile(file, `${text}${own}`);
  const [check, dryRun] = await Promise.all([
    lastcall(['check', '-c', file]).outcome,
    lastcall(['drain', '--dry-run', '--haproxy', socket, ...found.flatMap((one) => ['--server', one])])
      .outcome,
  ]);
  const words = ['--haproxy-config', join(dir, 'haproxy.cfg'), '--json'];
  const doctor = await lastcall(['doctor', '-c', file, ...words]).outcome;
  if (check.code !== 0) throw new Error(`check: ${check.stderr}`);
  const diagnosis = JSON.parse(doctor.stdout) as Diagnosis;
  const of = (severity: string): string[] =>
    diagnosis.traps.filter((trap) => trap.severity === severity).map(({ id }) => id);
  return {
    questions: edits.map(({ text }) => text),
    warnings: warnings.join('\n'),
    servers: found,
    traps: { breaks: of('breaks'), costs: of('costs'), note: of('note') },
    diagnosis,
    dryRun,
  };
}

/** On a machine that is busy with other tests the application may take longer than the second that a probe has. */
function patient(text: string): string {
  const timeout = '$&\n    timeout: 20s';
  return text.replace(/^ {2}probe:$/m, timeout).replace(/^ {2}- http: .*$/m, timeout);
}

/** A page of the application, of the ways to count that init proposes. */
export function countByPage(text: string): string {
  return text.replace(/^# (sessions:)\n(?:#.*\n)*?# ( {2}- http: .*)$/m, '$1\n$2');
}

/** The lifetime of an entry, as the `stick-table` line has it. */
export function tellExpire(text: string): string {
  return text.replace(/# expire: 30m/, 'expire: 30m');
}

export function nothing(text: string): string {
  return text;
}
