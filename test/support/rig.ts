import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, type ControlClient } from '../../agent/control/client.ts';
import type { Phase, Result, Status } from '../../agent/lifecycle/model/api.ts';
import { realClock } from '../../agent/system/clock.ts';
import { lastcall, type CommandOutcome, type Running } from './cli.ts';
import { cellOf, startHaproxy, type Haproxy } from './haproxy.ts';
import { createLegacyNode } from './legacy-node.ts';
import { freePort } from './ports.ts';
import { type Sidecar, type SidecarOptions, startSidecar } from './sidecar.ts';
import type { SiteNode } from './site.ts';

/** One legacy application, `app/app1`, behind a HAProxy of its own, with a second server that is always usable. */
export interface Rig {
  readonly dir: string;
  /** Where users come in. */
  readonly url: string;
  readonly haproxy: Haproxy;
  readonly node: SiteNode;
  /** HAProxy's status of app1: `no check`, `DRAIN`, `MAINT`... */
  admin(): Promise<string>;
  /** `show servers state`, without the column of seconds since the last change. */
  states(): Promise<string>;
  /** `lastcall VERB --haproxy SOCK --server app/app1 WORDS --json`. */
  direct(verb: string, ...words: readonly string[]): Running;
  /** `lastcall run` with a configuration for this node; ended by `close`. */
  sidecar(options?: SidecarOptions): Promise<Agent>;
  /** Another HAProxy in front of the same application. */
  front(): Promise<Front>;
  /** A sticky user of app1 with a session in its memory, through this rig's HAProxy or another one. */
  signIn(by?: string): Promise<Visitor>;
  /** How many SIGTERMs the application had in all. */
  terms(): Promise<number>;
  close(): Promise<void>;
}

export interface Front {
  readonly url: string;
  readonly haproxy: Haproxy;
}

export interface Visitor {
  /** The next click, through HAProxy. */
  click(path?: string): Promise<RigPage>;
  /** Logs out at the application itself, so that no request of it passes HAProxy. */
  leave(): Promise<void>;
}

export interface RigPage {
  readonly status: number;
  readonly node: string;
  readonly lost: boolean;
}

/** A sidecar, and the two ways to talk to it. */
export interface Agent extends Sidecar {
  readonly client: ControlClient;
  /** `lastcall WORDS --socket CONTROL --json`. */
  cli(...words: readonly string[]): Running;
  /** The same for people: with a line when it was accepted. */
  plain(...words: readonly string[]): Running;
  /** Resolves with the first status in one of these phases, as the event stream tells it. */
  reaches(...phases: readonly Phase[]): Promise<Status>;
  /** The result of an operation, waited for: 40 seconds, unless a signal says otherwise. */
  ends(id: string, signal?: AbortSignal): Promise<Result>;
}

export interface RigOptions {
  /** `master: true` for reloads. */
  readonly master?: boolean;
  readonly statsMaxconn?: number;
  /** Users stay by HAProxy's cookie; default true. */
  readonly cookie?: boolean;
  /** The other server; default one that is always usable and gets no users. */
  readonly others?: string;
  /** Further words of app1's line, such as `check inter 100ms`. */
  readonly server?: string;
  /** app1's host in HAProxy's configuration; default 127.0.0.1. */
  readonly host?: string;
  /** Where its sidecar answers agent-checks; default any free port. */
  readonly agentPort?: number;
  readonly warmMs?: number;
  readonly termMs?: number;
  readonly closesFirst?: boolean;
  /** A second port of the application. */
  readonly alsoPort?: number;
}

/** Long enough for a busy machine; a test that hangs ends here. */
export const patience = (): AbortSignal => AbortSignal.timeout(40_000);

/** Starts the application and HAProxy; resolves once both answer. */
export async function openRig(options: RigOptions = {}): Promise<Rig> {
  const port = await freePort();
  const appPort = await freePort();
  const cookie = options.cookie ?? true;
  const haproxy = await startHaproxy(configOf(port, appPort, cookie, options), options);
  const { dir } = haproxy;
  const node: SiteNode = {
    ...createLegacyNode({
      name: 'app1',
      port: appPort,
      dir,
      warmMs: options.warmMs ?? 0,
      termMs: options.termMs ?? 0,
      closesFirst: options.closesFirst ?? false,
      ...(options.alsoPort === undefined ? {} : { alsoPort: options.alsoPort }),
    }),
    agentPort: options.agentPort ?? (await freePort()),
  };
  const sidecars: Sidecar[] = [];
  const fronts: Haproxy[] = [];
  const url = `http://127.0.0.1:${port}`;
  const close = async (): Promise<void> => {
    for (const sidecar of sidecars) await sidecar.kill();
    await node.kill();
    for (const front of [haproxy, ...fronts]) await front.stop();
  };
  try {
    await node.start();
    await node.untilServing(patience());
  } catch (error) {
    await close();
    throw error;
  }
  return {
    dir,
    url,
    haproxy,
    node,
    admin: () => statusAt(haproxy),
    states: async () => lasting(await haproxy.command('show servers state app')),
    direct: (verb, ...words) =>
      lastcall([verb, '--haproxy', haproxy.socket, '--server', 'app/app1', '--json', ...words]),
    async sidecar(changes = {}) {
      const sidecar = await startSidecar({ dir, haproxy }, node, patience(), { quiet: '0s', ...changes });
      sidecars.push(sidecar);
      return agentOf(sidecar);
    },
    async front() {
      const ownPort = await freePort();
      const front = await startHaproxy(configOf(ownPort, appPort, cookie, options), options);
      fronts.push(front);
      return { url: `http://127.0.0.1:${ownPort}`, haproxy: front };
    },
    signIn: (by = url) => signIn(by, node),
    terms: async () => (await node.terms()).length,
    close,
  };
}

function configOf(
  port: number,
  appPort: number,
  cookie: boolean,
  { others, server, host }: RigOptions,
): string {
  const sticky = (name: string): string => (cookie ? ` cookie ${name}` : '');
  return (
    `defaults\n  mode http\n  timeout connect 1s\n  timeout client 30s\n  timeout server 30s\n` +
    `frontend web\n  bind 127.0.0.1:${port}\n  default_backend app\n` +
    `backend app\n  balance roundrobin\n  default-server weight 100\n${cookie ? '  cookie SRV insert indirect nocache\n' : ''}` +
    `  server app1 ${host ?? '127.0.0.1'}:${appPort}${sticky('app1')} ${server ?? ''}\n` +
    `${others ?? `  server app2 127.0.0.1:1${sticky('app2')}\n`}`
  );
}

/** HAProxy's status of app1: `no check`, `DRAIN`, `MAINT`... */
export async function statusAt(haproxy: Haproxy): Promise<string> {
  return (await column(haproxy, 'app', 1, 'status')) ?? '';
}

/** One figure of `show stat`, by its column's name. */
export async function column(
  haproxy: Haproxy,
  backend: string,
  serverId: number,
  name: string,
): Promise<string | undefined> {
  return cellOf(await haproxy.command(`show stat ${backend} 4 ${serverId}`), name);
}

/** Columns that change by themselves: when the state changed last, and how far a health check is. */
const PASSING = ['srv_time_since_last_change', 'srv_check_result', 'srv_check_health', 'srv_check_state'];

/** `show servers state` as far as a command changes it. */
function lasting(states: string): string {
  const lines = states.split('\n').map((line) => line.replace(/^# /, '').split(' '));
  const passing = PASSING.map((name) => lines[1]?.indexOf(name) ?? -1);
  return lines.map((fields) => fields.filter((_field, at) => !passing.includes(at)).join(' ')).join('\n');
}

/** A sidecar with the two ways to talk to it, and the waits that its event stream makes possible. */
export function agentOf(sidecar: Sidecar): Agent {
  const client = createClient(sidecar.control, realClock);
  return {
    ...sidecar,
    client,
    cli: (...words) => lastcall([...words, '--socket', sidecar.control, '--json']),
    plain: (...words) => lastcall([...words, '--socket', sidecar.control]),
    async reaches(...phases) {
      for await (const { event, data } of client.events(patience())) {
        if (event === 'status' && phases.includes(data.phase)) return data;
      }
      throw new Error(`the sidecar ended before it was ${phases.join(' or ')}:\n${sidecar.log()}`);
    },
    async ends(id, signal = patience()) {
      const events = client.events(signal);
      try {
        // The stream is open before the question is asked, so that no end falls between the two.
        await events.next();
        const known = await client.operation(id, signal);
        if (known?.state === 'ended') return known.result;
        for await (const { event, data } of events) if (event === 'result' && data.id === id) return data;
      } finally {
        await events.return();
      }
      throw new Error(`the sidecar ended before ${id} did:\n${sidecar.log()}`);
    },
  };
}

async function signIn(url: string, node: SiteNode): Promise<Visitor> {
  const first = await fetch(url, { headers: { cookie: 'SRV=app1' } });
  const session = /JSESSIONID=([^;]+)/.exec(first.headers.get('set-cookie') ?? '')?.[1];
  await first.text();
  if (session === undefined) throw new Error(`no session: status ${first.status}`);
  const cookie = `SRV=app1; JSESSIONID=${session}`;
  return {
    async click(path = '/') {
      const answer = await fetch(`${url}${path}`, { headers: { cookie }, signal: patience() });
      const body = await answer.text();
      const page = answer.ok ? (JSON.parse(body) as RigPage) : { node: '', lost: false };
      return { status: answer.status, node: page.node, lost: page.lost };
    },
    async leave() {
      await (await fetch(`${node.url}/logout`, { headers: { cookie } })).text();
    },
  };
}

/** How a command ended: its exit code, and the one JSON object that stood on its stdout. */
export async function told(running: Running): Promise<CommandOutcome & { readonly json: Result }> {
  const outcome = await running.outcome;
  if (!/^\{[^\n]*\}\n$/.test(outcome.stdout)) {
    throw new Error(`not one JSON object: ${JSON.stringify(outcome)}`);
  }
  return { ...outcome, json: JSON.parse(outcome.stdout) as Result };
}

/** A file beside the rig's, for whatever the test needs. */
export async function file(rig: Rig, name: string, text: string, mode = 0o644): Promise<string> {
  const path = join(rig.dir, name);
  await writeFile(path, text, { mode });
  return path;
}
