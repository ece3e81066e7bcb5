import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { errnoOf } from '../../../agent/system/error.ts';
import { packageRoot } from '../../support/sample.ts';
import type { SiteNode } from '../../support/site.ts';

/** Something that has to be here for a peer to run. */
export interface Need {
  readonly name: string;
  /** Program and arguments that end with 0 where it is here. */
  readonly look: readonly [string, ...string[]];
  /** What it prints where it is here. */
  readonly shows?: string;
  /** How to get it. */
  readonly install: string;
}

/** What people use instead of lastcall: one program, called for each node. */
export interface PeerProgram {
  /** As the table calls it. */
  readonly name: string;
  readonly needs: readonly Need[];
  /** Program and arguments that restart the node; they end once it is back in service. */
  command(node: SiteNode, place: PeerPlace): readonly [string, ...string[]];
}

/** Where a peer works. */
export interface PeerPlace {
  /** HAProxy's Runtime API, as a path. */
  readonly socket: string;
  /** How long a peer sleeps that only sleeps, in seconds. */
  readonly sleepSeconds: number;
}

const FOLDER = join(packageRoot(), 'test', 'bench', 'peers');

export const SOCAT: Need = {
  name: 'socat',
  look: ['socat', '-V'],
  install: 'apt-get install socat',
};
const CURL: Need = { name: 'curl', look: ['curl', '--version'], install: 'apt-get install curl' };
const BASH: Need = { name: 'bash', look: ['bash', '--version'], install: 'apt-get install bash' };
/** lib.sh asks it whether an application has ended. */
const PS: Need = { name: 'ps', look: ['ps', '--version'], install: 'apt-get install procps' };
const SHELL: readonly Need[] = [BASH, CURL, SOCAT, PS];

const HAPROXY_MODULE = 'community.general.haproxy';

/** Needed by everything that is done with Ansible here. */
export const ANSIBLE: readonly Need[] = [
  {
    name: 'ansible-playbook',
    look: ['ansible-playbook', '--version'],
    install: 'apt-get install ansible',
  },
  {
    name: "Ansible's collection community.general",
    look: ['ansible-doc', '--type', 'module', HAPROXY_MODULE, '--json'],
    // It ends with 0 for a module that it has not found, too.
    shows: HAPROXY_MODULE,
    install: 'apt-get install ansible, or ansible-galaxy collection install community.general',
  },
];

/** The plainest of them. */
export const SIGTERM: PeerProgram = script('SIGTERM and start', 'sigterm.sh');

/** Each of the peers but the reference. */
export const PEERS: readonly PeerProgram[] = [
  SIGTERM,
  script('503 and a sleep', 'health-503.sh'),
  script('404 and a sleep', 'sign-out-404.sh'),
  script('DRAIN by socat and a sleep', 'socat-sleep.sh'),
  { name: 'Ansible', needs: ANSIBLE, command: (node, { socket }) => playbook(node, socket) },
];

/** The measure for lastcall's time: it counts users, and is right where nothing goes wrong. */
export const REFERENCE: PeerProgram = script('a script that counts users', 'reference.sh');

/**
 * What of a peer's needs is not here, with how to get it: `socat is not here: apt-get install socat`; null where nothing is missing.
 * @param path directories where programs are looked for
 */
export function missingOf(needs: readonly Need[], path = process.env['PATH'] ?? ''): string | null {
  const absent = needs.find(({ look: [program, ...args], shows = '' }) => {
    const env = { ...process.env, PATH: path };
    const { status, stdout } = spawnSync(program, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'utf8',
      env,
    });
    return status !== 0 || !stdout.includes(shows);
  });
  return absent === undefined ? null : `${absent.name} is not here: ${absent.install}`;
}

/**
 * Lets a peer restart one node.
 * @throws Error with what it wrote when it ends with another code than 0
 */
export async function runPeer(
  peer: PeerProgram,
  node: SiteNode,
  place: PeerPlace,
  signal: AbortSignal,
): Promise<void> {
  await runCommand(peer.command(node, place), peerEnvironment(node, place), signal);
}

/**
 * Runs a program of a peer to its end; an abort kills it, and what it has started.
 * @throws Error with what it wrote when it ends with another code than 0
 */
export async function runCommand(
  [program, ...args]: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    detached: true,
  });
  const kill = (): void => killGroup(child.pid);
  signal.addEventListener('abort', kill);
  try {
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null]>,
    ]);
    signal.throwIfAborted();
    if (code !== 0)
      throw new Error(`${program} ${args.join(' ')} ended with ${String(code)}: ${stdout}${stderr}`);
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has just ended.
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

function peerEnvironment(node: SiteNode, place: PeerPlace): Record<string, string> {
  return {
    NODE: node.name,
    URL: node.url,
    PID_FILE: node.pidFile,
    SOCKET: place.socket,
    SLEEP: String(place.sleepSeconds),
  };
}

function script(name: string, file: string): PeerProgram {
  return {
    name,
    needs: SHELL,
    command: (node) => ['bash', join(FOLDER, file), ...node.startCommand],
  };
}

/**
 * The playbook for one node.
 * @param socket HAProxy's Runtime API, as a path
 * @param options of ansible-playbook, besides
 */
export function playbook(
  node: SiteNode,
  socket: string,
  options: readonly string[] = [],
): readonly [string, ...string[]] {
  const variables = {
    node: node.name,
    url: node.url,
    port: node.port,
    pid_file: node.pidFile,
    start: node.startCommand,
    socket,
  };
  const local = ['--inventory', 'localhost,', '--connection', 'local'];
  const file = join(FOLDER, 'ansible.yml');
  return ['ansible-playbook', ...local, ...options, '--extra-vars', JSON.stringify(variables), file];
}

/** The one command by which Ansible puts a node into DRAIN. */
export function ansibleDrain(host: string, socket: string): readonly [string, ...string[]] {
  const options = { state: 'drain', backend: 'app', host, socket };
  return [
    'ansible',
    'localhost',
    '--connection',
    'local',
    '--module-name',
    HAPROXY_MODULE,
    '--args',
    JSON.stringify(options),
  ];
}
